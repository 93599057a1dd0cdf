//! Access logs: what a line looks like, compiled, and where it goes.

use super::{LogFile, Mask};
use crate::http::escape::LogEscape;
use crate::variables::{Exchange, Template};
use std::cell::Cell;
use std::sync::Arc;

/// What a line of an access log looks like.
#[derive(Clone, Debug, PartialEq)]
pub struct Format {
    template: Template,
    escape: LogEscape,
}

impl Format {
    pub fn new(template: Template, escape: LogEscape) -> Format {
        Format { template, escape }
    }
}

/// nginx's format that is always there.
pub const COMBINED: &str = "$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \
                            \"$http_referer\" \"$http_user_agent\"";

/// A line that was longer takes its memory with it.
const KEPT: usize = 8 << 10;

thread_local! {
    /// Room for a line, used again and again.
    static LINE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// One access log of a location.
#[derive(Clone, Debug)]
pub struct AccessLog {
    pub file: LogFile,
    pub format: Format,
    /// Only requests are logged for which this is neither empty nor `0`.
    pub condition: Option<Template>,
    /// `None`: no session ids are known of.
    pub mask: Option<Arc<Mask>>,
}

impl AccessLog {
    /// Hands the line of a finished request over to the writer.
    pub fn record(&self, exchange: &Exchange) {
        if self.condition.as_ref().is_some_and(|c| matches!(&*c.evaluate(exchange), b"" | b"0")) {
            return;
        }
        let mut line = LINE.take();
        let Format { template, escape } = &self.format;
        match &self.mask {
            None => template.write_escaped(*escape, exchange, |_, _, _| {}, &mut line),
            Some(mask) => {
                let bases = mask.bases(exchange);
                let edit = |variable: Option<&_>, from, out: &mut _| mask.value(variable, &bases, from, out);
                template.write_escaped(*escape, exchange, edit, &mut line);
            }
        }
        line.push(b'\n');
        self.file.write(&line);
        line.clear();
        if line.capacity() <= KEPT {
            LINE.set(line);
        }
    }
}
