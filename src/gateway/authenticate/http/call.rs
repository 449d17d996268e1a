//! One question over HTTP/1.1, on a connection that is kept for the next.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::lookup_host;
use tokio_rustls::TlsConnector;

use crate::config::{HttpSettings, Secret, Url};
use crate::credentials::answer::{Format, MAX_ANSWER_BYTES};
use crate::gateway::authenticate::files::FileProblem;
use crate::gateway::upstream::connect_any;
use crate::metrics::ServiceOutcome;
use crate::tls::client::ClientSettings;
use crate::tls::error::TlsError;

/// Connections that are kept without a question.
const MAX_IDLE: usize = 16;
/// Servers close what is idle for long; most wait for more than this.
const MAX_IDLE_TIME: Duration = Duration::from_secs(20);
/// Addresses of one name that are tried.
const MAX_ADDRESSES: usize = 4;
/// Bytes of the head of an answer.
const MAX_HEAD_BYTES: usize = 16 << 10;
const MAX_HEADERS: usize = 64;

type Sender = SendRequest<Full<Bytes>>;

/// The service, and connections to it.
pub(super) struct Call {
    url: Url,
    host: HeaderValue,
    authorization: Option<HeaderValue>,
    content_type: HeaderValue,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    sender: Sender,
    since: Instant,
}

impl Call {
    pub(super) fn build(settings: &HttpSettings, warnings: &mut Vec<FileProblem>) -> Result<Self, Vec<FileProblem>> {
        let Url { tls, host, port, .. } = &settings.url;
        let authorization = settings.authorization.as_ref().map(authorization).transpose()?;
        let bracketed = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        let is_usual = *port == if *tls { 443 } else { 80 };
        let authority = if is_usual { bracketed } else { format!("{bracketed}:{port}") };
        let tls = if *tls { Some(connector(settings, warnings)?) } else { None };
        Ok(Self {
            host: HeaderValue::from_str(&authority).map_err(|_| problem("the host of `url` can't be asked for"))?,
            authorization,
            content_type: HeaderValue::from_static(match settings.format {
                Format::Json => "application/json",
                Format::Form => "application/x-www-form-urlencoded",
            }),
            tls,
            idle: Mutex::default(),
            url: settings.url.clone(),
        })
    }

    /// Status and body of the answer.
    ///
    /// # Errors
    /// What went wrong, which is never an answer.
    pub(super) async fn post(&self, body: Bytes, deadline: Instant) -> Result<(u16, Bytes), ServiceOutcome> {
        while let Some(mut sender) = self.take_idle() {
            if sender.ready().await.is_err() {
                continue;
            }
            match sender.send_request(self.request(body.clone())).await {
                Ok(response) => return self.read(response, sender).await,
                Err(error) if error.is_parse() => return Err(ServiceOutcome::Http),
                // The server closed it meanwhile: asked again, on a connection of its own.
                Err(_) => break,
            }
        }
        let mut sender = self.connect(deadline).await?;
        let response = sender.send_request(self.request(body)).await.map_err(|_| ServiceOutcome::Http)?;
        self.read(response, sender).await
    }

    fn request(&self, body: Bytes) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = hyper::Method::POST;
        // INVARIANT: the settings take no path that is not one.
        *request.uri_mut() = self.url.path.parse().unwrap_or_default();
        let headers = request.headers_mut();
        headers.insert(HOST, self.host.clone());
        headers.insert(CONTENT_TYPE, self.content_type.clone());
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/plain"));
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("tidegate/", env!("CARGO_PKG_VERSION"))));
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        request
    }

    async fn read(&self, response: Response<Incoming>, sender: Sender) -> Result<(u16, Bytes), ServiceOutcome> {
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await;
        let body = body.map_err(|_| ServiceOutcome::Http)?.to_bytes();
        let mut idle = self.lock();
        if idle.len() < MAX_IDLE && !sender.is_closed() {
            idle.push(Idle { sender, since: Instant::now() });
        }
        drop(idle);
        Ok((status, body))
    }

    /// The connection that was used last.
    fn take_idle(&self) -> Option<Sender> {
        let mut idle = self.lock();
        idle.retain(|idle| idle.since.elapsed() < MAX_IDLE_TIME && !idle.sender.is_closed());
        idle.pop().map(|idle| idle.sender)
    }

    async fn connect(&self, deadline: Instant) -> Result<Sender, ServiceOutcome> {
        let unreachable = |_: io::Error| ServiceOutcome::Connect;
        let found = lookup_host((self.url.host.as_str(), self.url.port)).await.map_err(unreachable)?;
        let addresses: Vec<_> = found.take(MAX_ADDRESSES).collect();
        let stream = connect_any(&addresses, deadline).await.map_err(unreachable)?;
        let _ = stream.set_nodelay(true);
        match &self.tls {
            None => speak(stream).await,
            Some((connector, name)) => {
                let stream = connector.connect(name.clone(), stream).await.map_err(|_| ServiceOutcome::Tls)?;
                speak(stream).await
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The connection lives in a task of its own until its sender is gone, or the server closes it.
async fn speak<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: S) -> Result<Sender, ServiceOutcome> {
    let mut builder = Builder::new();
    builder.max_buf_size(MAX_HEAD_BYTES).max_headers(MAX_HEADERS);
    let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(|_| ServiceOutcome::Http)?;
    tokio::spawn(connection);
    Ok(sender)
}

fn authorization(secret: &Secret) -> Result<HeaderValue, Vec<FileProblem>> {
    let value = HeaderValue::from_bytes(secret.bytes());
    let mut value = value.map_err(|_| problem("`authorization_file` holds what can't stand in a header"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn connector(
    settings: &HttpSettings,
    warnings: &mut Vec<FileProblem>,
) -> Result<(TlsConnector, ServerName<'static>), Vec<FileProblem>> {
    let client = ClientSettings { ca: settings.ca.clone(), ..ClientSettings::default() };
    let built = client.build(SystemTime::now());
    let built = built.map_err(|errors| errors.iter().map(of_tls).collect::<Vec<_>>())?;
    let told = built.warnings.iter().map(|warning| FileProblem { file: None, message: warning.to_string() });
    warnings.extend(told);
    let name = built.server_name(&settings.url.host).map_err(|error| vec![of_tls(&error)])?;
    Ok((TlsConnector::from(Arc::clone(&built.config)), name))
}

fn of_tls(error: &TlsError) -> FileProblem {
    match error {
        TlsError::File { file, problem } => FileProblem { file: Some(file.clone()), message: problem.to_string() },
        TlsError::NoCertificate
        | TlsError::NoClientCa
        | TlsError::UnusedRevocationList
        | TlsError::NoSystemRoots
        | TlsError::ServerName(_)
        | TlsError::Rustls(_) => FileProblem { file: None, message: error.to_string() },
    }
}

fn problem(message: &str) -> Vec<FileProblem> {
    vec![FileProblem { file: None, message: format!("`identity.http`: {message}") }]
}
