//! `trace`, compiled: which requests are sampled, whose word counts, where spans go.

use super::access;
use super::compile::Texts;
use crate::access::Networks;
use crate::config::Diagnostics;
use crate::config::diagnostics::plain;
use crate::observe::Mask;
use crate::observe::trace::{Endpoint, Exporter, Settings};
use std::sync::Arc;
use std::time::Duration;

/// A collector that may take longer holds up the end of the process, too.
const LONGEST: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub struct Tracing {
    /// Of traces that begin here so many are sampled, of 2⁶⁴.
    pub share: u128,
    /// Whose traces go on here.
    pub trusted: Networks,
    /// `None`: the configuration is only looked at.
    pub exporter: Option<Arc<Exporter>>,
    /// Hides ids of sessions, where some are known of.
    pub mask: Option<Arc<Mask>>,
}

pub(super) fn compile(texts: &Texts<'_>, diagnostics: &mut Diagnostics) -> Option<Tracing> {
    let keys = &texts.raw.main.trace.as_ref()?.value.0;
    let written = keys.endpoint.as_ref()?;
    let endpoint = match Endpoint::parse(written) {
        Ok(endpoint) => Some(endpoint),
        Err(why) => {
            diagnostics.error(written.span, why.to_string());
            None
        }
    };
    let timeout = keys.timeout().0;
    if timeout.is_zero() || timeout > LONGEST {
        let at = keys.timeout.as_ref().map_or(written.span, |timeout| timeout.span);
        diagnostics.error(at, format!("the collector may take between `1ms` and `{}s`", LONGEST.as_secs()));
    }
    let who = |written| access::who(written, true, diagnostics);
    let trusted = keys.trust.iter().flat_map(|trust| &trust.value).filter_map(who).collect();
    let settings = Settings { endpoint: endpoint?, service: keys.service(), timeout };
    let exporter = match texts.resources.check_only {
        true => None,
        false => match texts.resources.exporters.of(&settings) {
            Ok(exporter) => Some(exporter),
            Err(e) => {
                diagnostics.error(written.span, format!("no thread for traces could be started: {}", plain(&e)));
                None
            }
        },
    };
    // 100 % is all of them.
    let share = (keys.sample().0 / 100.0 * (u64::MAX as f64)).round() as u128 + u128::from(keys.sample().0 >= 100.0);
    Some(Tracing { share, trusted: Networks(trusted), exporter, mask: texts.mask.clone() })
}
