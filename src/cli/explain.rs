//! `edge explain METHOD URL`: the decisions about a request, without making it.

use super::{Configuration, fail};
use crate::proxy::explain::{Asked, explain};
use crate::server::load::Loader;
use std::process::ExitCode;

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// The method, such as GET
    method: String,
    /// The URL, such as http://host:8888/a.css
    url: String,
    /// A field of the request: 'Name: value'
    #[arg(short = 'H', value_name = "FIELD")]
    headers: Vec<String>,
}

pub(super) fn run(arguments: &Arguments, configuration: &Configuration) -> ExitCode {
    let loaded = Loader::new(configuration.options(true)).load();
    let Some(snapshot) = loaded.snapshot else {
        eprint!("{}", loaded.diagnostics);
        return fail(format!("{} has mistakes", configuration.file.display()));
    };
    let asked = Asked { method: &arguments.method, url: &arguments.url, fields: &arguments.headers };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => return fail(e),
    };
    match runtime.block_on(explain(&snapshot, &asked)) {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(why) => fail(why),
    }
}
