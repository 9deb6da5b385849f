# What the scripts that test packages count, and how they say it. To be sourced.

failures=0 passed=0

# After a check has failed: what helps to see why. A script may say more.
on_failure() { :; }

# check TEXT COMMAND...: counts whether the command succeeds.
check() {
    local text=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
        echo "ok: $text"
    else
        failures=$((failures + 1))
        echo "FAILED: $text"
        on_failure
    fi
}

# The last line, as Rust's test harness has it; fails where a check has.
tell_result() {
    echo "test result: $([ "$failures" -eq 0 ] && echo ok || echo FAILED). $passed passed; $failures failed"
    [ "$failures" -eq 0 ]
}
