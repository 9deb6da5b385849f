//! A receiver and its handle. The handle asks the source's task for everything, so that a receiver is plain blocking code on a thread of its own and never
//! sees the runtime.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

/// Units of input that one call hands over.
pub const INPUTS_MAX: usize = 65_536;

/// A way in of one's own. It is made anew, and run again, after an error or a panic.
pub trait Receiver: Send {
    /// Reads input and hands it over until it is told to leave. Runs on a thread of its own, and may block there.
    ///
    /// `Ok`: the input has come to its end; when it is durable, and every other source has ended too, so does the gateway's run.
    /// `Err`: what went wrong, for the log and the status; a new receiver is run after a while. Every method of `handle` fails once the gateway ends:
    /// pass that on with `?`.
    fn run(&mut self, handle: &mut Handle) -> Result<(), ReceiverError>;
}

/// Why a receiver ends before its input does.
#[derive(Debug, thiserror::Error)]
pub enum ReceiverError {
    /// The gateway ends.
    #[error("the receiver has to leave")]
    Leave,
    #[error("{0}")]
    Failed(String),
}

impl From<std::io::Error> for ReceiverError {
    fn from(error: std::io::Error) -> ReceiverError {
        ReceiverError::Failed(error.to_string())
    }
}

impl From<String> for ReceiverError {
    fn from(reason: String) -> ReceiverError {
        ReceiverError::Failed(reason)
    }
}

impl From<&str> for ReceiverError {
    fn from(reason: &str) -> ReceiverError {
        ReceiverError::Failed(reason.to_owned())
    }
}

/// One unit of input: what the source's format reads as one payload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Input {
    pub bytes: Vec<u8>,
    /// Where it came from, for the column `_peer`.
    pub peer: Option<String>,
}

impl From<Vec<u8>> for Input {
    fn from(bytes: Vec<u8>) -> Input {
        Input { bytes, peer: None }
    }
}

/// What a receiver asks of its source's task.
pub(crate) enum Request {
    Connected(String),
    Disconnected(String),
    Send { inputs: Vec<Input>, positions: Vec<(String, Option<Vec<u8>>)> },
    Offer(Vec<Input>),
    Durable,
    WaitDurable(u64),
    Sleep(Duration),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Done,
    /// A unit's number.
    Seq(u64),
    Taken(bool),
}

type Asked = (Request, oneshot::Sender<Answer>);

/// A receiver's tie to the gateway. Units of input are numbered from 1 in the order in which they are handed over, at each start of the gateway.
pub struct Handle {
    name: String,
    requests: mpsc::Sender<Asked>,
    positions: BTreeMap<String, Vec<u8>>,
}

/// A handle, and where its requests arrive.
pub(crate) fn handle(name: &str, positions: BTreeMap<String, Vec<u8>>) -> (Handle, mpsc::Receiver<Asked>) {
    let (requests, asked) = mpsc::channel(1);
    (Handle { name: name.to_owned(), requests, positions }, asked)
}

impl Handle {
    /// The source's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The position of this name that was last handed over: at a start of the gateway what the last commit made durable.
    pub fn position(&self, name: &str) -> Option<&[u8]> {
        self.positions.get(name).map(Vec::as_slice)
    }

    /// The input is there: `detail` is for the log and `_status`.
    pub fn connected(&mut self, detail: &str) -> Result<(), ReceiverError> {
        self.ask(Request::Connected(detail.to_owned())).map(drop)
    }

    /// The input is not there, or no longer, and the receiver goes on trying. A reason that was the last one too is not logged again.
    pub fn disconnected(&mut self, reason: &str) -> Result<(), ReceiverError> {
        self.ask(Request::Disconnected(reason.to_owned())).map(drop)
    }

    /// Hands input over, once there is room and `max_rate` allows it; returns the number of the last unit. A crash loses what is not yet durable.
    pub fn send(&mut self, inputs: Vec<Input>) -> Result<u64, ReceiverError> {
        self.send_with_positions(inputs, Vec::new())
    }

    /// The same for input that can be read again. Each position (name, value; `None`: to be forgotten) is durable together with exactly the input that was
    /// handed over up to here: a receiver that reads on from [`Handle::position`] hands each unit over once, wherever the process died.
    ///
    /// Fails where a name has more than 128 bytes, or more than 65,536 units come at once.
    pub fn send_with_positions(&mut self, inputs: Vec<Input>, positions: Vec<(String, Option<Vec<u8>>)>) -> Result<u64, ReceiverError> {
        let name_bytes_max = crate::gateway::POSITION_NAME_BYTES_MAX;
        if let Some((name, _)) = positions.iter().find(|(name, _)| name.is_empty() || name.len() > name_bytes_max) {
            return Err(ReceiverError::Failed(format!("the position's name `{name}` has not from 1 to {name_bytes_max} bytes")));
        }
        if inputs.len() > INPUTS_MAX {
            return Err(ReceiverError::Failed(format!("{} units of input at once, more than {INPUTS_MAX}", inputs.len())));
        }
        let answer = self.ask(Request::Send { inputs, positions: positions.clone() })?;
        for (name, value) in positions {
            match value {
                Some(value) => _ = self.positions.insert(name, value),
                None => _ = self.positions.remove(&name),
            }
        }
        Ok(answer.seq())
    }

    /// For input that cannot wait: hands it over if there is room, and else lets it go and counts it. `true` if it was taken.
    pub fn offer(&mut self, inputs: Vec<Input>) -> Result<bool, ReceiverError> {
        Ok(self.ask(Request::Offer(inputs))? == Answer::Taken(true))
    }

    /// The number of the last unit that is durable, with all before it.
    pub fn durable(&mut self) -> Result<u64, ReceiverError> {
        Ok(self.ask(Request::Durable)?.seq())
    }

    /// Waits until the unit of this number is durable: then its sender may be told that it has arrived.
    pub fn wait_durable(&mut self, seq: u64) -> Result<(), ReceiverError> {
        self.ask(Request::WaitDurable(seq)).map(drop)
    }

    /// Waits, unless the gateway ends meanwhile.
    pub fn sleep(&mut self, duration: Duration) -> Result<(), ReceiverError> {
        self.ask(Request::Sleep(duration)).map(drop)
    }

    /// Whether the gateway ends: for receivers that wait for something else than their handle, with a timeout.
    pub fn has_to_leave(&self) -> bool {
        self.requests.is_closed()
    }

    fn ask(&mut self, request: Request) -> Result<Answer, ReceiverError> {
        let (answer, answered) = oneshot::channel();
        self.requests.blocking_send((request, answer)).map_err(|_| ReceiverError::Leave)?;
        answered.blocking_recv().map_err(|_| ReceiverError::Leave)
    }
}

impl Answer {
    fn seq(self) -> u64 {
        match self {
            Answer::Seq(seq) => seq,
            Answer::Done | Answer::Taken(_) => 0,
        }
    }
}
