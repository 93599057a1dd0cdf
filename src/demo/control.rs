//! The listener behind the page's stop and start buttons: a stopped application cannot start itself.
//!
//! Only pages of the edge's own origin may use it, and only under its own address: any other site that is open in
//! the same browser could otherwise press the buttons, too.

use std::io;
use std::sync::Arc;

use serde_json::json;

use super::Settings;
use super::app::App;
use super::http::{self, Request, Response};
use super::service::Service;

pub(super) async fn launch(port: u16, apps: Vec<App>, settings: Arc<Settings>) -> io::Result<Service> {
    let inside = Arc::new((apps, settings));
    let serve = move |stream| -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
        let inside = inside.clone();
        Box::pin(async move {
            http::serve(stream, |request| answer(request, &inside.0, &inside.1)).await;
        })
    };
    Service::start(port, Arc::new(serve)).await
}

async fn answer(request: Request, apps: &[App], settings: &Settings) -> Response {
    let origin = request.header("origin").filter(|origin| settings.is_origin(origin));
    let (Some(origin), true) = (origin, settings.is_control(request.header("host"))) else {
        return Response::plain(403);
    };
    control(&request, apps)
        .await
        .with("Access-Control-Allow-Origin", origin)
        .with("Access-Control-Allow-Methods", "GET, POST")
        .with("Vary", "Origin")
}

async fn control(request: &Request, apps: &[App]) -> Response {
    if request.method == "OPTIONS" {
        return Response { status: 204, headers: Vec::new(), body: Default::default() };
    }
    let Some(rest) = request.path().strip_prefix("/demo/apps") else {
        return Response::plain(404);
    };
    let words: Vec<&str> = rest.split('/').skip(1).collect();
    let (route, verb) = match (&words[..], &request.method[..]) {
        ([], "GET") => return listing(apps),
        ([route, verb @ ("stop" | "start")], "POST") => (*route, *verb),
        ([] | [_, "stop" | "start"], _) => return Response::plain(405),
        _ => return Response::plain(404),
    };
    let Some(app) = apps.iter().find(|app| app.route == route) else {
        return Response::plain(404);
    };
    match verb {
        "stop" => app.stop().await,
        _ => {
            if let Err(error) = app.start().await {
                log::warn!("demo {route}: cannot listen on {}: {error}", app.address);
                return Response::plain(500);
            }
        }
    }
    listing(apps)
}

fn listing(apps: &[App]) -> Response {
    let apps = apps.iter().map(|app| json!({ "route": app.route, "running": app.is_running() }));
    Response::json(&json!({ "apps": apps.collect::<Vec<_>>() }))
}
