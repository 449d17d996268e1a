//! The admin address: metrics for Prometheus, health for whoever restarts or balances, and who is banned.
//!
//! It has a thread and a runtime of its own, so that it answers while the data path is busy. Not here: what is counted
//! (`metrics`). Read [`start`] first, then [`Health`].

mod bans;
mod health;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

pub use health::{Health, Reachability};

use crate::metrics::{self, AcceptError, Metrics};
use crate::store::Store;

/// Connections that are served at a time; more wait in the kernel's backlog.
const MAX_CONNECTIONS: usize = 32;
/// From accept to the end of the request's headers.
const HEADER_DEADLINE: Duration = Duration::from_secs(5);
/// From accept to the end of the answer; a connection carries one request.
const DEADLINE: Duration = Duration::from_secs(10);
const MAX_HEADERS: usize = 64;
/// Bytes of a request's head; hyper takes no less.
const MAX_HEAD_BYTES: usize = 8192;
/// Wait after a failed accept, such as one without a free descriptor.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

const PLAIN: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const INDEX: &str = "\
tidegate
/metrics  for Prometheus
/healthz  200 while the process can work
/readyz   200 while it takes clients; otherwise 503 and why
/bans     who is shut out, as JSON; the first 1,000
";

/// What there is to show.
struct Pages {
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    store: Arc<Store>,
}

/// The running admin address.
#[derive(Debug)]
pub struct Admin {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    thread: JoinHandle<()>,
}

/// Binds `address` and answers there until [`Admin::stop`].
///
/// # Errors
/// When the address can't be bound, or the thread can't be started.
pub fn start(address: SocketAddr, metrics: Arc<Metrics>, health: Arc<Health>, store: Arc<Store>) -> io::Result<Admin> {
    let pages = Arc::new(Pages { metrics, health, store });
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (stop, stopped) = watch::channel(false);
    let spare = Arc::new(Spare::default());
    spare.refill();
    let thread = thread::Builder::new().name("admin".to_owned()).spawn(move || {
        runtime.block_on(async {
            match tokio::net::TcpListener::from_std(listener) {
                Ok(listener) => serve(listener, pages, spare, stopped).await,
                Err(error) => tracing::error!(%error, "the admin address is not served"),
            }
        });
        runtime.shutdown_background();
    })?;
    Ok(Admin { address, stop, thread })
}

impl Admin {
    /// Where it listens: the port that the system chose where the settings say 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes the address, answers under way included.
    pub fn stop(self) {
        self.stop.send_replace(true);
        // It panicked if this fails, and has said so.
        let _ = self.thread.join();
    }
}

async fn serve(
    listener: tokio::net::TcpListener,
    pages: Arc<Pages>,
    spare: Arc<Spare>,
    mut stopped: watch::Receiver<bool>,
) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut complained = false;
    loop {
        let (slot, accepted) = tokio::select! {
            _ = stopped.wait_for(|&stopped| stopped) => return,
            next = next(&listener, &slots) => next,
        };
        let stream = match accepted {
            Ok(stream) => stream,
            Err(error) if AcceptError::of(&error) == AcceptError::Descriptors && spare.spend() => continue,
            Err(error) => {
                if !complained {
                    tracing::warn!(%error, "accept failed at the admin address");
                }
                complained = true;
                tokio::time::sleep(ACCEPT_RETRY).await;
                continue;
            }
        };
        complained = false;
        let (pages, spare) = (Arc::clone(&pages), Arc::clone(&spare));
        tokio::spawn(async move {
            // A peer that is too slow, or speaks no HTTP, concerns nobody else.
            let _ = tokio::time::timeout(DEADLINE, connection(stream, &pages)).await;
            spare.refill();
            drop(slot);
        });
    }
}

/// A descriptor kept for the hour in which none is left: given up, it lets one more connection be accepted, and health be
/// told when it is asked for most.
#[derive(Default)]
struct Spare(Mutex<Option<File>>);

impl Spare {
    fn refill(&self) {
        let mut held = self.lock();
        if held.is_none() {
            *held = File::open("/dev/null").ok();
        }
    }

    /// Whether there was one to give up.
    fn spend(&self) -> bool {
        self.lock().take().is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Option<File>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for a free slot and then for a connection.
async fn next(
    listener: &tokio::net::TcpListener,
    slots: &Arc<Semaphore>,
) -> (Option<OwnedSemaphorePermit>, io::Result<TcpStream>) {
    // The semaphore is never closed.
    let slot = Arc::clone(slots).acquire_owned().await.ok();
    (slot, listener.accept().await.map(|(stream, _)| stream))
}

async fn connection(stream: TcpStream, pages: &Pages) -> hyper::Result<()> {
    let service = service_fn(|request: Request<Incoming>| {
        let response = answer(request.method(), request.uri().path(), pages, Instant::now());
        std::future::ready(Ok::<_, Infallible>(response))
    });
    hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_DEADLINE)
        .keep_alive(false)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .await
}

fn answer(method: &Method, path: &str, pages: &Pages, now: Instant) -> Response<Full<Bytes>> {
    let Pages { metrics, health, store } = pages;
    if !matches!(path, "/" | "/metrics" | "/healthz" | "/readyz" | "/bans") {
        return response(StatusCode::NOT_FOUND, PLAIN, "not found\n");
    }
    if method != Method::GET && method != Method::HEAD {
        let mut refusal = response(StatusCode::METHOD_NOT_ALLOWED, PLAIN, "GET or HEAD\n");
        refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refusal;
    }
    match path {
        "/metrics" => match metrics.render() {
            Ok(text) => response(StatusCode::OK, metrics::CONTENT_TYPE, text),
            Err(error) => {
                tracing::error!(%error, "metrics can't be written");
                response(StatusCode::INTERNAL_SERVER_ERROR, PLAIN, "metrics can't be written, see the log\n")
            }
        },
        "/bans" => response(StatusCode::OK, JSON, bans::page(store, (now, SystemTime::now()))),
        "/healthz" => state(&health.unhealthy(now)),
        "/readyz" => state(&health.unready(now)),
        _ => response(StatusCode::OK, PLAIN, INDEX),
    }
}

fn state(reasons: &[String]) -> Response<Full<Bytes>> {
    if reasons.is_empty() {
        return response(StatusCode::OK, PLAIN, "ok\n");
    }
    response(StatusCode::SERVICE_UNAVAILABLE, PLAIN, reasons.join("\n") + "\n")
}

fn response(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
