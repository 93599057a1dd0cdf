//! A Tomcat of the test's own: Debian's tomcat10 with a private CATALINA_BASE, up in about a second.
//!
//! It serves the web application of `tests/webapp` at its root. `pair()` is the pair all tests may share; a test that
//! kills, freezes or counts connections starts its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use super::{client, ports, process, process::Process, webapp};

const HOME: &str = "/usr/share/tomcat10";

/// How long a Tomcat may take to answer its first request on a busy machine.
const START: Duration = Duration::from_secs(60);

/// What is to be started; `start` does it.
pub struct Plan {
    route: String,
    port: u16,
    /// Where it tells about itself, with threads of its own: one can ask when all others are busy.
    side_port: u16,
    threads: usize,
    keep_alive: Duration,
    in_context: String,
    in_connector: String,
}

pub struct Tomcat {
    process: Process,
    plan: Plan,
    base: PathBuf,
    /// Removes `base` when dropped; None where `base` lives as long as the test process.
    _owned: Option<tempfile::TempDir>,
}

/// What a Tomcat says about its connector; whoever asks is not among them.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub busy_threads: usize,
    pub connections: usize,
    pub requests: usize,
}

impl Tomcat {
    /// A Tomcat with Tomcat's own defaults, but for 50 threads.
    pub fn plan(route: &str) -> Plan {
        Plan {
            route: route.into(),
            port: ports::free(),
            side_port: ports::free(),
            threads: 50,
            keep_alive: Duration::from_secs(20),
            in_context: String::new(),
            in_connector: String::new(),
        }
    }

    pub fn start(route: &str) -> Tomcat {
        Self::plan(route).start()
    }

    pub fn address(&self) -> SocketAddr {
        ports::local(self.plan.port)
    }

    pub fn route(&self) -> &str {
        &self.plan.route
    }

    /// As a crash: at once, nothing said to anyone.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// As an administrator does it: Tomcat ends what it is doing.
    pub fn stop(&mut self) {
        self.process.stop();
    }

    /// Starts it again on the same port, with no memory of its sessions.
    pub fn restart(&mut self) {
        self.process.kill();
        self.process = self.plan.run(&self.base);
    }

    pub fn freeze(&self) {
        self.process.freeze();
    }

    pub fn thaw(&self) {
        self.process.signal(libc::SIGCONT);
    }

    /// Asks it directly, beside whatever stands in front of it.
    pub fn load(&self) -> Load {
        let answer = client::get(ports::local(self.plan.side_port), &format!("/threads?port={}", self.plan.port));
        let numbers: Vec<usize> = answer.text().split(' ').map(|n| n.trim().parse().expect("a number")).collect();
        Load { busy_threads: numbers[0], connections: numbers[1], requests: numbers[2] }
    }

    /// What `/run` was asked for here, also before a kill: `GET ID`, `POST ID`, as often as it was run.
    pub fn runs(&self) -> Vec<String> {
        let all = std::fs::read_to_string(self.base.join("logs/runs")).unwrap_or_default();
        all.lines().map(str::to_owned).collect()
    }

    pub fn output(&self) -> String {
        self.process.output()
    }
}

impl Plan {
    pub fn port(mut self, port: u16) -> Plan {
        self.port = port;
        self
    }

    /// How many requests it works on at a time.
    pub fn threads(mut self, threads: usize) -> Plan {
        self.threads = threads;
        self
    }

    /// After what idle time it closes a connection (20 s is Tomcat's default).
    pub fn keep_alive(mut self, timeout: Duration) -> Plan {
        self.keep_alive = timeout;
        self
    }

    /// XML for inside `<Context>`, such as a `<Valve …/>`.
    pub fn in_context(mut self, xml: &str) -> Plan {
        self.in_context = xml.into();
        self
    }

    /// Its kernel takes little off its hands, as on a real network: whoever does not read keeps a thread busy.
    pub fn small_send_buffers(mut self) -> Plan {
        self.in_connector = "socket.txBufSize=\"32768\"".into();
        self
    }

    /// Starts it and waits until the application answers.
    pub fn start(self) -> Tomcat {
        let owned = process::temporary_directory("tomcat");
        let base = owned.path().to_path_buf();
        let process = self.write_base_and_run(&base);
        Tomcat { process, plan: self, base, _owned: Some(owned) }
    }

    fn start_lasting(self) -> Tomcat {
        let base = process::lasting_directory("tomcat");
        let process = self.write_base_and_run(&base);
        Tomcat { process, plan: self, base, _owned: None }
    }

    fn write_base_and_run(&self, base: &Path) -> Process {
        for directory in ["conf", "logs", "temp", "webapps", "work"] {
            std::fs::create_dir(base.join(directory)).expect("a directory");
        }
        let conf = base.join("conf");
        for (name, content) in
            [("server.xml", self.server_xml()), ("web.xml", WEB_XML.into()), ("catalina.properties", PROPERTIES.into())]
        {
            std::fs::write(conf.join(name), content).expect("Tomcat's configuration");
        }
        self.run(base)
    }

    fn run(&self, base: &Path) -> Process {
        let mut command = Command::new("java");
        command.args(["-XX:TieredStopAtLevel=1", "-Xshare:auto", "-XX:+UseSerialGC", "-Xmx256m"]);
        command.arg("-Djava.security.egd=file:/dev/urandom");
        command.arg(format!("-DjvmRoute={}", self.route));
        command.arg(format!("-Dcatalina.home={HOME}"));
        command.arg(format!("-Dcatalina.base={}", base.display()));
        command.arg(format!("-Djava.io.tmpdir={}", base.join("temp").display()));
        command.args(["-cp", &format!("{HOME}/bin/bootstrap.jar:{HOME}/bin/tomcat-juli.jar")]);
        command.args(["org.apache.catalina.startup.Bootstrap", "start"]);
        let name = format!("Tomcat {}", self.route);
        let mut process = Process::start(&name, command, &base.join("logs/output"), libc::SIGKILL);
        let address = ports::local(self.port);
        process.wait_ready(START, "it answered", || {
            client::try_get(address, "/whoami").is_ok_and(|answer| answer.text() == self.route)
        });
        process
    }

    /// Nothing is scanned for annotations, tag libraries or changes: that is what makes a Tomcat slow to start. Long
    /// heads are let in, so that it is the proxy's limits that a test sees.
    fn server_xml(&self) -> String {
        format!(
            r#"<Server port="-1">
  <Service name="Catalina">
    <Connector port="{port}" address="127.0.0.1" protocol="HTTP/1.1" maxThreads="{threads}" minSpareThreads="4"
               keepAliveTimeout="{keep_alive}" connectionTimeout="20000" acceptCount="1000" maxHttpRequestHeaderSize="300000"
               maxHttpResponseHeaderSize="300000" {in_connector}/>
    <Connector port="{side_port}" address="127.0.0.1" protocol="HTTP/1.1" maxThreads="4" minSpareThreads="1"/>
    <Engine name="Catalina" defaultHost="localhost" jvmRoute="{route}">
      <Host name="localhost" appBase="webapps" autoDeploy="false" deployOnStartup="false">
        <Context path="" docBase="{app}" reloadable="false">
          <JarScanner scanClassPath="false" scanManifest="false"/>
          {in_context}
        </Context>
      </Host>
    </Engine>
  </Service>
</Server>
"#,
            port = self.port,
            side_port = self.side_port,
            threads = self.threads,
            in_connector = self.in_connector,
            keep_alive = self.keep_alive.as_millis(),
            route = self.route,
            app = webapp::built().display(),
            in_context = if self.in_context.contains("<Manager") {
                self.in_context.clone()
            } else {
                // Sessions end with their Tomcat, as in a crash.
                format!("<Manager pathname=\"\"/>{}", self.in_context)
            },
        )
    }
}

/// Two Tomcats, `tomcat1` and `tomcat2`, shared by all tests of a run. Whoever uses them leaves them running.
pub fn pair() -> &'static [Tomcat; 2] {
    static PAIR: OnceLock<[Tomcat; 2]> = OnceLock::new();
    PAIR.get_or_init(|| {
        webapp::built();
        let second = std::thread::spawn(|| Tomcat::plan("tomcat2").start_lasting());
        let first = Tomcat::plan("tomcat1").start_lasting();
        [first, second.join().expect("the second Tomcat starts")]
    })
}

const PROPERTIES: &str = r#"common.loader="${catalina.home}/lib/*.jar"
server.loader=
shared.loader=
tomcat.util.scan.StandardJarScanFilter.jarsToSkip=*
"#;

/// Debian's web.xml has 1,500 media types, which take longer to read than all the rest.
const WEB_XML: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<web-app xmlns="https://jakarta.ee/xml/ns/jakartaee" version="5.0">
  <servlet>
    <servlet-name>default</servlet-name>
    <servlet-class>org.apache.catalina.servlets.DefaultServlet</servlet-class>
    <load-on-startup>1</load-on-startup>
  </servlet>
  <servlet>
    <servlet-name>jsp</servlet-name>
    <servlet-class>org.apache.jasper.servlet.JspServlet</servlet-class>
    <load-on-startup>3</load-on-startup>
  </servlet>
  <servlet-mapping><servlet-name>default</servlet-name><url-pattern>/</url-pattern></servlet-mapping>
  <servlet-mapping><servlet-name>jsp</servlet-name><url-pattern>*.jsp</url-pattern></servlet-mapping>
  <mime-mapping><extension>css</extension><mime-type>text/css</mime-type></mime-mapping>
  <mime-mapping><extension>gif</extension><mime-type>image/gif</mime-type></mime-mapping>
  <mime-mapping><extension>html</extension><mime-type>text/html</mime-type></mime-mapping>
  <mime-mapping><extension>jpg</extension><mime-type>image/jpeg</mime-type></mime-mapping>
  <mime-mapping><extension>js</extension><mime-type>text/javascript</mime-type></mime-mapping>
  <mime-mapping><extension>json</extension><mime-type>application/json</mime-type></mime-mapping>
  <mime-mapping><extension>png</extension><mime-type>image/png</mime-type></mime-mapping>
  <mime-mapping><extension>txt</extension><mime-type>text/plain</mime-type></mime-mapping>
  <mime-mapping><extension>xml</extension><mime-type>application/xml</mime-type></mime-mapping>
  <welcome-file-list><welcome-file>index.jsp</welcome-file></welcome-file-list>
</web-app>
"#;
