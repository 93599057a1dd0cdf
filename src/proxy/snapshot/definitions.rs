//! What the names stand for that a configuration defines: `map`, `geo`, `split_clients`, `set` and named groups, compiled.

use super::compile::Texts;
use super::defined::name_of;
use crate::config::raw::{Handling, Location, Raw};
use crate::config::types::{GeoDefinition, MapDefinition, ScriptStep, SplitDefinition};
use crate::config::{Diagnostics, Spanned};
use crate::variables::defined::{Geo, Map, Network, Networks, Places, Ranges, Split};
use crate::variables::{Definition, Definitions, Template, Variable};
use bytes::Bytes;

pub(super) fn compile(raw: &Raw, texts: &Texts<'_>, diagnostics: &mut Diagnostics) -> Definitions {
    let mut list: Vec<Definition> = (0..texts.defined.len()).map(|_| Definition::Captured).collect();
    let mut put = |written: &Spanned<String>, definition: Definition| {
        let slot = name_of(written).and_then(|name| texts.defined.find(&name.to_ascii_lowercase()));
        if let Some(place) = slot.and_then(|slot| list.get_mut(slot)) {
            *place = definition;
        }
    };
    for server in &raw.servers {
        each_set(&server.handling, &mut |name| put(name, set(name)));
        server.locations.iter().for_each(|l| each_set_in(l, &mut |name| put(name, set(name))));
    }
    for (name, written) in raw.main.map.iter().flat_map(|all| all.iter()) {
        put(name, Definition::Map(Box::new(map(name, written, texts, diagnostics))));
    }
    for (name, written) in raw.main.geo.iter().flat_map(|all| all.iter()) {
        put(name, Definition::Geo(Box::new(geo(written, texts, diagnostics))));
    }
    for (name, written) in raw.main.split_clients.iter().flat_map(|all| all.iter()) {
        put(name, Definition::Split(Box::new(split(name, written, texts, diagnostics))));
    }
    Definitions::new(texts.defined.clone(), list)
}

fn set(name: &Spanned<String>) -> Definition {
    Definition::Set(name_of(name).and_then(Variable::find_family))
}

fn each_set(handling: &Handling, found: &mut impl FnMut(&Spanned<String>)) {
    for step in handling.rewrite.iter().flat_map(|list| &list.value) {
        match &step.value {
            ScriptStep::Set(set) => set.iter().for_each(|(name, _)| found(name)),
            ScriptStep::If(inner) => each_set(&inner.handling, found),
            _ => {}
        }
    }
}

fn each_set_in(location: &Location, found: &mut impl FnMut(&Spanned<String>)) {
    each_set(&location.handling, found);
    location.locations.iter().for_each(|l| each_set_in(l, found));
}

fn text(written: &Spanned<String>, texts: &Texts<'_>, diagnostics: &mut Diagnostics) -> Template {
    texts.template(written, written.span, diagnostics)
}

fn source(
    name: &Spanned<String>,
    written: &Option<Spanned<String>>,
    texts: &Texts<'_>,
    diagnostics: &mut Diagnostics,
) -> Template {
    match written {
        Some(written) => text(written, texts, diagnostics),
        None => {
            diagnostics
                .error(name.span, format!("`{}` has no `source`", name.value))
                .help("write the text that decides, such as `source: $remote_addr`");
            Template::literal("")
        }
    }
}

fn map(
    name: &Spanned<String>,
    MapDefinition(keys): &MapDefinition,
    texts: &Texts<'_>,
    diagnostics: &mut Diagnostics,
) -> Map {
    let default = keys.default.as_ref().map_or(Template::literal(""), |d| text(d, texts, diagnostics));
    let source = source(name, &keys.source, texts, diagnostics);
    let mut map = Map::new(source, keys.hostnames(), keys.volatile(), default);
    for (key, value) in keys.values.iter().flat_map(|values| values.iter()) {
        let value = text(value, texts, diagnostics);
        if let Some(regex) = key.strip_prefix('~') {
            let (regex, insensitive) = regex.strip_prefix('*').map_or((regex, false), |regex| (regex, true));
            if let Some(pattern) = texts.pattern(regex, insensitive, key.span, diagnostics) {
                map.insert_pattern(pattern, value);
            }
            continue;
        }
        if key.as_str() == "default" {
            diagnostics
                .error(key.span, "`default` stands beside `values`")
                .help("write `default: …`; for the text itself write `\\default`");
            continue;
        }
        if let Err(mistake) = map.insert(key.strip_prefix('\\').unwrap_or(key), value) {
            diagnostics.error(key.span, format!("`{}`: {mistake}", key.value));
        }
    }
    map
}

const NETWORKS: &str = "write `192.0.2.0/24`, `2001:db8::/32` or one address";

fn geo(GeoDefinition(keys): &GeoDefinition, texts: &Texts<'_>, diagnostics: &mut Diagnostics) -> Geo {
    let proxies = keys.proxy.iter().flat_map(|list| &list.value);
    let proxies = proxies.filter_map(|written| network(written, diagnostics)).collect();
    let places = match keys.ranges() {
        true => Places::Ranges(ranges(keys, diagnostics)),
        false => Places::Networks(networks(keys, diagnostics)),
    };
    Geo {
        address: keys.address.as_ref().map(|a| text(a, texts, diagnostics)),
        proxies,
        recursive: keys.proxy_recursive(),
        places,
        default: keys.default().into(),
    }
}

fn network(written: &Spanned<String>, diagnostics: &mut Diagnostics) -> Option<Network> {
    match Network::parse(written) {
        Some((network, exact)) => {
            if exact {
                diagnostics.warning(written.span, format!("low address bits of {} are meaningless", written.value));
            }
            Some(network)
        }
        None => {
            diagnostics.error(written.span, format!("`{}` is no network", written.value)).help(NETWORKS);
            None
        }
    }
}

fn networks(keys: &crate::config::types::GeoKeys, diagnostics: &mut Diagnostics) -> Networks {
    let mut networks = Networks::default();
    for (key, value) in keys.values.iter().flat_map(|values| values.iter()) {
        let Some(network) = network(key, diagnostics) else { continue };
        if networks.insert(network, Bytes::from(value.value.clone())).is_some() {
            diagnostics.warning(key.span, format!("duplicate network `{}`: the last one counts", key.value));
        }
    }
    networks
}

fn ranges(keys: &crate::config::types::GeoKeys, diagnostics: &mut Diagnostics) -> Ranges {
    let mut ranges = Ranges::default();
    for (key, value) in keys.values.iter().flat_map(|values| values.iter()) {
        let Some((from, to)) = Ranges::parse(key) else {
            diagnostics
                .error(key.span, format!("`{}` is no range", key.value))
                .help("write the first and the last IPv4 address: `192.0.2.1-192.0.2.99`");
            continue;
        };
        if let Err(other) = ranges.insert(from, to, Bytes::from(value.value.clone())) {
            diagnostics
                .error(key.span, format!("the range `{}` overlaps `{other}`", key.value))
                .help("a range may lie within one that stands before it, whole");
        }
    }
    ranges
}

fn split(
    name: &Spanned<String>,
    SplitDefinition(keys): &SplitDefinition,
    texts: &Texts<'_>,
    diagnostics: &mut Diagnostics,
) -> Split {
    let mut split = Split::new(source(name, &keys.source, texts, diagnostics));
    for (part, value) in keys.values.iter().flat_map(|parts| &parts.0) {
        if let Err(mistake) = split.insert(part, Bytes::from(value.value.clone())) {
            diagnostics.error(part.span, format!("`{}`: {mistake}", part.value));
        }
    }
    split
}
