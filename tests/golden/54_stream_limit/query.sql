SELECT device, ts FROM readings LIMIT 4
