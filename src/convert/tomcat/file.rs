//! One file of a Tomcat's: the managers in it and, if it is a server.xml, its route and its ports.

use super::Source;
use super::manager::{Context, Manager, is_of_msm, plain};
use super::xml::{self, Element, Word};
use crate::config::{Diagnostics, Span};
use crate::convert::shown;
use std::path::{Component, Path};

#[derive(Debug)]
pub struct File {
    /// The address of the server whose file it is, if the command line says so.
    pub address: Option<String>,
    pub managers: Vec<Manager>,
    /// A server.xml has one.
    pub engine: Option<Engine>,
    /// The ports that are listened on for HTTP.
    pub ports: Vec<u16>,
}

#[derive(Debug)]
pub struct Engine {
    pub span: Span,
    pub route: Option<Word>,
}

impl File {
    pub fn load(source: &Source, diagnostics: &mut Diagnostics) -> Option<File> {
        let elements = xml::load(&source.path, diagnostics)?;
        Some(File::of(source, &elements, diagnostics))
    }

    pub fn of(source: &Source, elements: &[Element], diagnostics: &mut Diagnostics) -> File {
        let mut file = File { address: source.address.clone(), managers: Vec::new(), engine: None, ports: Vec::new() };
        for element in elements {
            match element.name.as_str() {
                "Manager" => file.managers.extend(manager(element, elements, &source.path, diagnostics)),
                "Engine" if file.engine.is_none() => {
                    let route = plain(element, "jvmRoute", diagnostics);
                    file.engine = Some(Engine { span: element.span, route });
                }
                "Connector" => file.ports.extend(port(element)),
                _ => {}
            }
        }
        file
    }
}

fn manager(element: &Element, all: &[Element], path: &Path, diagnostics: &mut Diagnostics) -> Option<Manager> {
    let class = element.get("className")?;
    if !is_of_msm(&class.text) {
        // Every other manager keeps sessions where an edge cannot ask for them.
        let name = class.text.rsplit('.').next().unwrap_or_default();
        diagnostics
            .warning(class.span, format!("edge knows nothing of the sessions of `{}`", shown(name)))
            .help("it reads what de.javakaffee.web.msm.MemcachedBackupSessionManager keeps in memcached");
        return None;
    }
    let context = element.parent.and_then(|index| all.get(index)).filter(|parent| parent.name == "Context");
    let path = match context {
        Some(context) if context.parent.is_some() => context.get("path").map(|p| p.text.clone()),
        _ => path_of_file(path),
    };
    let context = Context::read(context, rooted(path), element.span, diagnostics);
    Some(Manager::read(element, context, diagnostics))
}

/// Of the connectors for HTTP; `protocol` may be a class.
fn port(element: &Element) -> Option<u16> {
    let is_ajp = element.get("protocol").is_some_and(|p| p.text.to_ascii_uppercase().contains("AJP"));
    element.get("port").filter(|_| !is_ajp)?.text.trim().parse().ok().filter(|port| *port > 0)
}

/// A context's path begins with a slash; the root's is one.
fn rooted(path: Option<String>) -> String {
    let path = path.unwrap_or_default();
    format!("/{}", path.trim_matches('/'))
}

/// conf/Catalina/localhost/NAME.xml and webapps/NAME/META-INF/context.xml are of one application, whose path is NAME.
fn path_of_file(path: &Path) -> Option<String> {
    let parts: Vec<&str> = path
        .components()
        .filter_map(|part| match part {
            Component::Normal(name) => name.to_str(),
            _ => None,
        })
        .collect();
    let name = match parts.as_slice() {
        [.., "webapps", name, "META-INF", "context.xml"] => name,
        [.., "conf", _, _, file] if *file != "context.xml" => file.strip_suffix(".xml")?,
        _ => return None,
    };
    // A version follows `##`, and `#` stands for a slash.
    let name = name.split("##").next().unwrap_or_default();
    Some(if name == "ROOT" { String::new() } else { name.replace('#', "/") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_a_file_tells_the_path_of_its_application() {
        for (file, path) in [
            ("/srv/tomcat/conf/Catalina/localhost/shop.xml", "/shop"),
            ("conf/Catalina/localhost/a#b##7.xml", "/a/b"),
            ("conf/Catalina/localhost/ROOT.xml", "/"),
            ("/srv/webapps/shop/META-INF/context.xml", "/shop"),
            ("/etc/tomcat9/context.xml", "/"),
            ("tomcat-context.xml", "/"),
        ] {
            assert_eq!(rooted(path_of_file(Path::new(file))), path, "{file}");
        }
    }
}
