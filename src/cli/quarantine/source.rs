//! Where envelopes come from: lines of a file or of standard input, or messages of a broker.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::Path;
use std::time::Duration;

use super::super::{Exit, complain};
use super::broker::Broker;
use crate::envelope::MAX_BYTES;
use crate::gateway::client::Client;

/// Where nobody says how long to wait: a wait without end, in parts.
const LONG: Duration = Duration::from_secs(3600);

pub(super) enum Source {
    Lines(Box<dyn BufRead>),
    Broker(Box<Client>),
}

impl Source {
    pub(super) fn open(file: Option<&Path>, broker: &Broker, filter: &str) -> Result<Self, Exit> {
        if broker.server().is_none() {
            return Self::file(file);
        }
        let mut client = broker.connect()?;
        match client.subscribe(filter) {
            Ok(()) => Ok(Self::Broker(Box::new(client))),
            Err(error) => {
                complain(format_args!("error: {filter}: {error}"));
                Err(if error.is_refusal() { Exit::No } else { Exit::Failed })
            }
        }
    }

    pub(super) fn file(file: Option<&Path>) -> Result<Self, Exit> {
        let Some(path) = file.filter(|path| path.as_os_str() != "-") else {
            return Ok(Self::Lines(Box::new(BufReader::new(io::stdin()))));
        };
        match File::open(path) {
            Ok(file) => Ok(Self::Lines(Box::new(BufReader::new(file)))),
            Err(error) => {
                complain(format_args!("error: {}: {error}", path.display()));
                Err(Exit::Failed)
            }
        }
    }

    /// The next that may be an envelope, or why it can't be; none at the end.
    ///
    /// # Errors
    /// There is no more to be had.
    pub(super) fn next(&mut self, wait: Option<Duration>) -> Result<Option<Result<Vec<u8>, String>>, String> {
        match self {
            Self::Lines(lines) => line(lines).map_err(|error| error.to_string()),
            Self::Broker(client) => loop {
                match client.next(wait.unwrap_or(LONG)) {
                    Ok(Some(delivery)) => return Ok(Some(Ok(delivery.payload))),
                    Ok(None) if wait.is_some() => return Ok(None),
                    Ok(None) => {}
                    Err(error) => return Err(error.to_string()),
                }
            },
        }
    }

    pub(super) fn close(self) {
        if let Self::Broker(client) = self {
            client.close();
        }
    }
}

/// The next line that is not blank, without the topic that `mosquitto_sub -v` prints before it.
fn line(lines: &mut dyn BufRead) -> io::Result<Option<Result<Vec<u8>, String>>> {
    let most = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX);
    loop {
        let mut line = Vec::new();
        if lines.take(most).read_until(b'\n', &mut line)? == 0 {
            return Ok(None);
        }
        if line.len() == MAX_BYTES && line.last() != Some(&b'\n') {
            skip_line(lines)?;
            return Ok(Some(Err("larger than an MQTT message can be".to_owned())));
        }
        let text = line.trim_ascii();
        if text.is_empty() {
            continue;
        }
        let start = if text.starts_with(b"{") { 0 } else { after_topic(text) };
        return Ok(Some(Ok(text.get(start..).unwrap_or_default().to_vec())));
    }
}

fn after_topic(text: &[u8]) -> usize {
    text.windows(2).position(|pair| pair == b" {").map_or(0, |at| at + 1)
}

fn skip_line(lines: &mut dyn BufRead) -> io::Result<()> {
    loop {
        let buffer = lines.fill_buf()?;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(buffer.len(), |end| end + 1);
        lines.consume(used);
        if end.is_some() || used == 0 {
            return Ok(());
        }
    }
}
