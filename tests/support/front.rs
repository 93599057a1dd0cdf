//! What stands in front of the application in a test: the edge, or nginx.
//!
//! The same tests run against either, so that the rig itself is checked against a proxy whose behaviour is known:
//! `EDGE_TEST_FRONT=nginx` puts nginx in the edge's place wherever a test starts its front through `Front`.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::edge::Edge;
use super::nginx::Nginx;

pub enum Front {
    Edge(Edge),
    Nginx(Nginx),
}

/// The two ways to say the same.
pub struct Configuration {
    pub port: u16,
    pub edge_yaml: String,
    pub nginx_conf: String,
}

impl Front {
    pub fn start(configuration: &Configuration) -> Front {
        match Self::is_nginx() {
            true => Front::Nginx(Nginx::start(&configuration.nginx_conf, configuration.port)),
            false => Front::Edge(Edge::yaml(&configuration.edge_yaml, configuration.port).start()),
        }
    }

    pub fn is_nginx() -> bool {
        std::env::var("EDGE_TEST_FRONT").is_ok_and(|front| front == "nginx")
    }

    pub fn address(&self) -> SocketAddr {
        match self {
            Front::Edge(edge) => edge.address(),
            Front::Nginx(nginx) => nginx.address(),
        }
    }

    pub fn file(&self, relative: &str) -> PathBuf {
        match self {
            Front::Edge(edge) => edge.file(relative),
            Front::Nginx(nginx) => nginx.file(relative),
        }
    }
}
