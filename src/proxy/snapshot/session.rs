//! Sessions of upstreams, compiled.

use super::compile::Texts;
use super::{Handler, PassTarget};
use crate::config::raw::{self, Raw, Scope};
use crate::config::types::{RewriteRoute, SessionKeys, SessionMode};
use crate::config::{Diagnostics, Spanned, Time};
use crate::observe::Mask;
use crate::proxy::sessions::{Demand, Sessions, Settings};
use crate::session::carried::Names;
use crate::session::layout::{Application, Layout};
use crate::session::servers::{self, Question};
use crate::session::store::Store;
use crate::session::takeover::{self, Context, Ignore, Mode};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// The sessions of each upstream that says how its applications keep them.
pub(super) fn sessions(raw: &Raw, texts: &Texts<'_>, diagnostics: &mut Diagnostics) -> HashMap<String, Arc<Sessions>> {
    let mut all = HashMap::new();
    for upstream in &raw.upstreams {
        let Some(keys) = &upstream.keys.session else { continue };
        let settings = settings(upstream, &keys.value.0, raw, texts.stores, texts, diagnostics);
        if let (Some(settings), Some(table)) = (settings, texts.upstreams.get(&upstream.name)) {
            all.insert(upstream.name.value.clone(), Sessions::new(settings, table.clone()));
        }
    }
    all
}

/// What a location demands of sessions.
pub(super) fn demand(
    scope: &Scope,
    handler: &Handler,
    texts: &Texts<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<Demand> {
    let written = scope.session.as_ref()?;
    let keys = &written.0;
    if !keys.required() {
        return None;
    }
    let of_pass = match handler {
        Handler::Proxy(pass) => match &pass.target {
            PassTarget::Upstream { sessions, .. } => sessions.clone(),
            PassTarget::Variable(_) => None,
        },
        Handler::Memcached(_) | Handler::Files | Handler::EmptyGif | Handler::Status | Handler::Api(_) => None,
    };
    let mut all = texts.sessions.values();
    let sessions = match (&keys.upstream, of_pass) {
        (Some(name), _) => texts.sessions.get(name.as_str()).cloned(),
        (None, Some(sessions)) => Some(sessions),
        (None, None) if texts.sessions.len() == 1 => all.next().cloned(),
        (None, None) => None,
    };
    let Some(sessions) = sessions else {
        let at = keys.upstream.as_ref().map_or(written.span, |name| name.span);
        diagnostics
            .error(at, "it is not known how sessions are kept here")
            .help("write `session: { upstream: NAME }` with an upstream that has a `session` of its own");
        return None;
    };
    if keys.strict() && sessions.settings.store.is_none() {
        let at = keys.strict.as_ref().map_or(written.span, |strict| strict.span);
        diagnostics.error(at, "`strict` asks memcached, and the upstream's `session` names no `store`");
    }
    let redirect = keys.redirect.as_ref().map(|to| texts.template(to, to.span, diagnostics));
    Some(Demand { sessions, redirect, strict: keys.strict() })
}

/// What hides the ids of all of them in logs.
pub(super) fn mask(sessions: &HashMap<String, Arc<Sessions>>) -> Option<Arc<Mask>> {
    let names = sessions.values().map(|sessions| sessions.names());
    Mask::new(names.flat_map(|names| [Some(names.cookie.as_str()), names.path_parameter.as_deref()]).flatten())
}

fn settings(
    upstream: &raw::Upstream,
    keys: &SessionKeys,
    raw: &Raw,
    stores: &BTreeMap<String, Arc<Store>>,
    texts: &Texts<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<Settings> {
    check_routes(upstream, diagnostics);
    check_times(keys, diagnostics);
    let store = match &keys.store {
        Some(name) => Some(store(name, raw, stores, diagnostics)?),
        None => None,
    };
    let parameter = Some(keys.path_parameter()).filter(|name| name != "off");
    let names = Names { cookie: keys.cookie(), path_parameter: parameter };
    let mut takeover = takeover::Settings::new(&upstream.name);
    takeover.contexts = contexts(keys, diagnostics);
    takeover.mode = match keys.mode() {
        SessionMode::Sticky => Mode::Sticky,
        SessionMode::NonSticky => Mode::NonSticky,
    };
    takeover.takeover = keys.takeover();
    takeover.takeover_wait = keys.takeover_wait().0;
    takeover.session_max_age = keys.max_age().0;
    takeover.probe_timeout = keys.probe_timeout().0;
    takeover.probes = keys.probes().max(1) as usize;
    takeover.lease = keys.probe_timeout().0 + Duration::from_secs(1);
    takeover.serialize = keys.serialize();
    takeover.proceed = keys.proceed();
    if let Some(ignore) = &keys.ignore {
        // MSM matches the whole of it.
        let whole = texts.pattern(&format!("^(?:{})$", ignore.value), false, ignore.span, diagnostics)?;
        takeover.ignore = Some(Ignore::new(move |text| whole.is_match(text.as_bytes())));
    }
    let watch = servers::Settings {
        question: question(keys, diagnostics),
        connect_timeout: keys.owner_connect_timeout().0,
        suspect_after: keys.suspect_after().0,
        fence: keys.fence().0,
        session_max_age: keys.max_age().0,
        ..servers::Settings::default()
    };
    if let (Some(rewrite), Some(_)) = (&keys.rewrite_route, &keys.store) {
        diagnostics
            .error(rewrite.span, "`rewrite_route` is for sessions without a `store`")
            .help("memcached-session-manager writes the new route into the id itself: take `rewrite_route` out");
    }
    let rewrite_route = if store.is_some() { RewriteRoute::Off } else { keys.rewrite_route() };
    let keep_alive = keys.keep_alive() && store.is_some();
    let owner_connect_timeout = keys.owner_connect_timeout().0;
    // Without places: a line above that was added changes nothing.
    let ignore = keys.ignore.as_deref();
    let written = format!("{names:?} {takeover:?} {watch:?} {ignore:?} {keep_alive} {rewrite_route:?}");
    let watch_written = format!("{names:?} {watch:?}");
    Some(Settings {
        names,
        takeover,
        watch,
        owner_connect_timeout,
        store,
        keep_alive,
        written,
        watch_written,
        rewrite_route,
    })
}

fn store(
    name: &Spanned<String>,
    raw: &Raw,
    stores: &BTreeMap<String, Arc<Store>>,
    diagnostics: &mut Diagnostics,
) -> Option<Arc<Store>> {
    let written = raw.main.session_store.iter().flat_map(|stores| stores.0.iter()).map(|(name, _)| name.value.as_str());
    let written: Vec<&str> = written.collect();
    if !written.contains(&name.as_str()) {
        let help = match crate::config::diagnostics::nearest(name, written.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!(
                "write `session_store: {{ {}: {{ memcached: {{ n1: 'host:11211' }} }} }}` at the top",
                name.value
            ),
        };
        diagnostics.error(name.span, format!("there is no session_store `{}`", name.value)).help(help);
    }
    stores.get(&name.value).cloned()
}

/// A session is found by the route of its server.
fn check_routes(upstream: &raw::Upstream, diagnostics: &mut Diagnostics) {
    for server in upstream.keys.servers.iter().flat_map(|servers| &servers.value) {
        let server = &server.value.0;
        if let (Some(address), None) = (&server.address, &server.route) {
            diagnostics
                .warning(address.span, format!("`{}` has no route: no session's id names it", address.value))
                .help("write `route:` with the jvmRoute of this Tomcat (`<Engine jvmRoute=\"…\">` in its server.xml)");
        }
    }
}

/// What the servers are asked to find out whether they live.
fn question(keys: &SessionKeys, diagnostics: &mut Diagnostics) -> Question {
    let Some(instance) = &keys.instance else { return Question::Options };
    let is_path = instance.starts_with('/') && instance.bytes().all(|byte| byte.is_ascii_graphic());
    match http::HeaderName::from_bytes(instance.as_bytes()) {
        _ if is_path => Question::Path(instance.value.clone()),
        Ok(name) => Question::Header(name.as_str().to_owned()),
        Err(_) => {
            diagnostics
                .error(
                    instance.span,
                    format!("`instance: {}` is neither a path nor the name of a field", instance.value),
                )
                .help("write `/instance`, a path whose body is another after each start of a server, or `X-Instance`");
            Question::Options
        }
    }
}

fn check_times(keys: &SessionKeys, diagnostics: &mut Diagnostics) {
    let times: [(&str, &Option<Spanned<Time>>, Duration); 6] = [
        ("takeover_wait", &keys.takeover_wait, Duration::from_millis(100)),
        ("probe_timeout", &keys.probe_timeout, Duration::from_millis(100)),
        ("owner_connect_timeout", &keys.owner_connect_timeout, Duration::from_millis(10)),
        ("suspect_after", &keys.suspect_after, Duration::from_millis(500)),
        // The other edges look at the board once a second.
        ("fence", &keys.fence, Duration::from_secs(2)),
        ("max_age", &keys.max_age, Duration::from_secs(60)),
    ];
    for (name, time, least) in times {
        if let Some(time) = time.as_ref().filter(|time| time.0 < least) {
            diagnostics.error(time.span, format!("`{name}` must be at least {least:?}"));
        }
    }
}

fn contexts(keys: &SessionKeys, diagnostics: &mut Diagnostics) -> Vec<Context> {
    let prefix = keys.storage_key_prefix.as_ref();
    let host = keys.host();
    let version = keys.webapp_version.as_ref().map_or("", |version| version.as_str());
    let mut all = Vec::new();
    for written in written_contexts(keys) {
        if !written.starts_with('/') {
            let at = keys.contexts.as_ref().and_then(|all| all.value.iter().find(|c| c.value == written));
            let at = at.map(|context| context.span).unwrap_or_default();
            diagnostics.error(at, format!("`{written}` is no context: the path of a web application begins with `/`"));
            continue;
        }
        let mut context = Context::new(&written);
        context.form_login =
            keys.form_login.iter().flat_map(|all| &all.value).any(|c| Context::new(c).path == context.path);
        let path = context.path.trim_end_matches('/');
        let application = Application { host: &host, context: path, version };
        match Layout::new(prefix.map_or("webappVersion", |tokens| tokens.as_str()), &application) {
            Ok(layout) => {
                if let (Some(trap), Some(tokens)) = (layout.warning(), prefix) {
                    diagnostics.warning(tokens.span, trap);
                }
                context.key_prefix = layout.prefix().to_owned();
            }
            Err(unknown) => {
                diagnostics.error(prefix.map(|tokens| tokens.span).unwrap_or_default(), unknown.to_string());
            }
        }
        all.push(context);
    }
    for login in keys.form_login.iter().flat_map(|all| &all.value) {
        if !all.iter().any(|context: &Context| context.path == Context::new(login).path) {
            diagnostics
                .error(login.span, format!("`{}` is none of the `contexts`", login.value))
                .help(format!("write `contexts: [/, {}]`", login.value));
        }
    }
    if all.is_empty() { vec![Context::new("/")] } else { all }
}

fn written_contexts(keys: &SessionKeys) -> Vec<String> {
    match &keys.contexts {
        Some(contexts) => contexts.value.iter().map(|context| context.value.clone()).collect(),
        None => vec!["/".to_owned()],
    }
}
