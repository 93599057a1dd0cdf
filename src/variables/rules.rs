//! What is to tell of the rules that ran: `$rules_fired` and `$rules_log`.

use bytes::Bytes;
use std::sync::Arc;

/// What rules left behind with a request.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// The names of those that fired, each once, in the order in which they did.
    pub fired: Vec<Arc<str>>,
    /// What they want in the log.
    pub log: Vec<(Arc<str>, Bytes)>,
}

impl Rules {
    /// A rule has fired.
    pub fn fire(&mut self, name: &Arc<str>) {
        if !self.fired.contains(name) {
            self.fired.push(name.clone());
        }
    }

    /// The last value of a name counts.
    pub fn note(&mut self, name: &Arc<str>, value: Bytes) {
        match self.log.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => self.log.push((name.clone(), value)),
        }
    }

    /// `a,b`
    pub(super) fn write_fired(&self, out: &mut Vec<u8>) {
        for (at, name) in self.fired.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            out.extend_from_slice(name.as_bytes());
        }
    }

    /// `a=1 b=two`; a value that has spaces stands in single quotes.
    pub(super) fn write_log(&self, out: &mut Vec<u8>) {
        for (at, (name, value)) in self.log.iter().enumerate() {
            if at > 0 {
                out.push(b' ');
            }
            out.extend_from_slice(name.as_bytes());
            out.push(b'=');
            let quote: &[u8] = if value.contains(&b' ') { b"'" } else { b"" };
            out.extend_from_slice(quote);
            out.extend_from_slice(value);
            out.extend_from_slice(quote);
        }
    }
}
