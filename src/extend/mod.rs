//! What a Rust program adds to the gateway: receivers (ways in of its own) and payload formats, under the names by which a configuration asks for them.
//!
//! [`Extensions`] is given to the configuration's reader by [`Environment`](crate::config::Environment); what the configuration names travels on in its
//! settings. `docs/extending.md` says what each has to do and what happens when it fails; `examples/custom_source.rs` has one of each.

mod receiver;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

pub use crate::format::{CustomFormat, PayloadError, PayloadFormat, Row, Rows};
pub(crate) use receiver::{Answer, Request, handle};
pub use receiver::{Handle, Input, Receiver, ReceiverError};

/// `[source.<name>.options]` and `[source.<name>.decoder_options]`: keys and texts, which the gateway passes on as they are.
pub type Parameters = BTreeMap<String, String>;

type MakeReceiver = dyn Fn(&Parameters) -> Result<Box<dyn Receiver>, String> + Send + Sync;
type MakeFormat = dyn Fn(&Parameters) -> Result<Box<dyn PayloadFormat>, String> + Send + Sync;

/// The receivers and formats of a program, by name.
#[derive(Clone, Default)]
pub struct Extensions {
    receivers: BTreeMap<String, Arc<MakeReceiver>>,
    formats: BTreeMap<String, Arc<MakeFormat>>,
}

impl Extensions {
    /// Adds a receiver, for `type = "custom"` with `receiver = "<name>"`. `make` only looks at its parameters, and opens nothing: it is called when the
    /// configuration is checked, at each start, and after each failure. Its error is shown as one of the configuration.
    pub fn receiver<R: Receiver + 'static>(
        mut self,
        name: &str,
        make: impl Fn(&Parameters) -> Result<R, String> + Send + Sync + 'static,
    ) -> Extensions {
        self.receivers.insert(name.to_owned(), Arc::new(move |parameters| Ok(Box::new(make(parameters)?))));
        self
    }

    /// Adds a format, for `format = "custom"` with `decoder = "<name>"`. Of `make` the same holds as for [`Extensions::receiver`].
    pub fn format<F: PayloadFormat + 'static>(
        mut self,
        name: &str,
        make: impl Fn(&Parameters) -> Result<F, String> + Send + Sync + 'static,
    ) -> Extensions {
        self.formats.insert(name.to_owned(), Arc::new(move |parameters| Ok(Box::new(make(parameters)?))));
        self
    }

    /// The names of the receivers.
    pub fn receivers(&self) -> Vec<&str> {
        self.receivers.keys().map(String::as_str).collect()
    }

    /// The names of the formats.
    pub fn formats(&self) -> Vec<&str> {
        self.formats.keys().map(String::as_str).collect()
    }

    /// One of the receivers, with its parameters; `None` where there is none of the name, the reason for people where the parameters are wrong.
    pub fn find_receiver(&self, name: &str, parameters: Parameters) -> Option<Result<CustomReceiver, String>> {
        let make = self.receivers.get(name)?.clone();
        let receiver = CustomReceiver { name: name.to_owned(), parameters, make };
        Some(receiver.make().map(|_| receiver))
    }

    /// One of the formats; as [`Extensions::find_receiver`].
    pub fn find_format(&self, name: &str, parameters: Parameters) -> Option<Result<CustomFormat, String>> {
        let make = self.formats.get(name)?.clone();
        Some(CustomFormat::new(name, parameters, make))
    }
}

impl fmt::Debug for Extensions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Extensions").field("receivers", &self.receivers()).field("formats", &self.formats()).finish()
    }
}

/// A receiver that a source asks for.
#[derive(Clone)]
pub struct CustomReceiver {
    name: String,
    parameters: Parameters,
    make: Arc<MakeReceiver>,
}

impl CustomReceiver {
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A new one, which has not been run.
    pub fn make(&self) -> Result<Box<dyn Receiver>, String> {
        (self.make)(&self.parameters)
    }
}

/// By name and parameters.
impl PartialEq for CustomReceiver {
    fn eq(&self, other: &CustomReceiver) -> bool {
        (&self.name, &self.parameters) == (&other.name, &other.parameters)
    }
}

impl fmt::Debug for CustomReceiver {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("CustomReceiver").field("name", &self.name).field("parameters", &self.parameters).finish()
    }
}
