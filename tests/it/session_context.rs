//! The sessions of an nginx.conf, which has no word for them: `edge -c nginx.conf --session context.xml`.

use crate::process::{reload, reload_in_vain};
use crate::support::edge::Edge;
use crate::support::memcached::Memcached;
use crate::support::ports;
use crate::support::standin::{Session, Standin, Tally};

const AT_ONCE: usize = 6;

/// The owner dies, several updates come at once, and it is started again.
fn fail_over(edge: &Edge, tomcats: &mut [Standin], session: &mut Session) {
    let owner = tomcats.iter_mut().find(|tomcat| session.id.ends_with(&format!(".{}", tomcat.name)));
    let owner = owner.unwrap_or_else(|| panic!("{} has no owner", session.id));
    owner.kill();
    session.burst(&[edge.address(); AT_ONCE]);
    assert!(!session.id.ends_with(&format!(".{}", owner.name)), "{} is dead", session.id);
    owner.restart();
}

#[test]
fn an_nginx_conf_with_the_tomcats_files_keeps_sessions_and_a_reload_reads_them_again() {
    let nodes = [Memcached::start(), Memcached::start()];
    let mut tomcats = ["t1", "t2"].map(|name| Standin::start(name, &nodes, &[]));
    let port = ports::free();
    let servers: String = tomcats.iter().map(|tomcat| format!("server {}; ", tomcat.address())).collect();
    let conf = |more: &str| {
        format!(
            "pid edge.pid; error_log logs/error.log notice; events {{ worker_connections 1000; }}
             http {{ {more}
               upstream web {{ {servers} }}
               server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://web; }} }}
             }}"
        )
    };
    let context = format!(
        "<Context backgroundProcessorDelay='1'><Manager className='de.javakaffee.web.msm.MemcachedBackupSessionManager'
           memcachedNodes='n1:{},n2:{}' sessionBackupAsync='false' requestUriIgnorePattern='.*css'/></Context>",
        nodes[0].address(),
        nodes[1].address()
    );
    let mut plan = Edge::nginx_conf(&conf(""), port).with_file("context.xml", &context[..]);
    plan = plan.with_arguments(&["--session", "context.xml"]);
    for tomcat in &tomcats {
        let file = format!("{}.xml", tomcat.name);
        let (port, route) = (tomcat.address().port(), &tomcat.name);
        let text =
            format!("<Server><Service><Connector port='{port}'/><Engine jvmRoute='{route}'/></Service></Server>");
        plan = plan.with_file(&file, text).with_arguments(&["--session", &file]);
    }
    let edge = plan.start();

    let mut session = Session::begun(0, edge.address(), "n1");
    for _ in 0..AT_ONCE {
        session.update(edge.address());
    }
    fail_over(&edge, &mut tomcats, &mut session);
    // A line more, so that nothing stands where it stood.
    reload(&edge, &conf("keepalive_timeout 30;\n"));
    fail_over(&edge, &mut tomcats, &mut session);
    // A file of the Tomcats' that is broken changes nothing.
    std::fs::write(edge.file("context.xml"), "<Context><Manager").unwrap();
    reload_in_vain(&edge, &conf("keepalive_timeout 31;\n"));
    assert!(edge.wait_error("context.xml:1"), "{}", edge.errors());
    fail_over(&edge, &mut tomcats, &mut session);
    let acknowledged = 1 + AT_ONCE + 3 * AT_ONCE;
    assert_eq!(session.tally(&[edge.address()]), Tally { acknowledged, ..Tally::default() });
}
