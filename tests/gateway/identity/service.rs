//! An authentication service: a small HTTP server that keeps what it is asked and answers as it is told.

use std::io::{BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::support::pki::Pki;
use crate::support::ports;

/// One question.
#[derive(Clone, Debug)]
pub(super) struct Question {
    /// The request line.
    pub(super) line: String,
    pub(super) headers: Vec<String>,
    pub(super) body: String,
}

/// What the service does with a question.
#[derive(Clone, Debug)]
pub(super) enum Manner {
    /// Status and body.
    Answers(u16, String),
    /// The same, and closes the connection behind it without saying so.
    AnswersAndCloses(u16, String),
    /// Nothing for so long, then yes.
    Waits(Duration),
    /// Bytes that are no HTTP.
    Babbles,
    /// Closes instead of answering.
    Closes,
    /// A body that does not end.
    Pours,
}

pub(super) fn yes(body: &str) -> Manner {
    Manner::Answers(200, body.to_owned())
}

struct Common {
    manner: Mutex<Manner>,
    questions: Mutex<Vec<Question>>,
    connections: Mutex<Vec<TcpStream>>,
    stopped: AtomicBool,
}

pub(super) struct Service {
    pub(super) address: SocketAddr,
    common: Arc<Common>,
    acceptor: Option<JoinHandle<()>>,
}

impl Service {
    pub(super) fn start(manner: Manner) -> Self {
        Self::start_with(manner, None)
    }

    /// Over TLS, with the server certificate of this PKI.
    pub(super) fn start_tls(manner: Manner, pki: &Pki) -> Self {
        let chain = CertificateDer::pem_file_iter(pki.path("server.pem")).expect("a chain");
        let chain = chain.collect::<Result<_, _>>().expect("certificates");
        let key = PrivateKeyDer::from_pem_file(pki.path("server.key")).expect("a key");
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).expect("a pair");
        Self::start_with(manner, Some(Arc::new(config)))
    }

    fn start_with(manner: Manner, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", ports::free_port())).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let common = Arc::new(Common {
            manner: Mutex::new(manner),
            questions: Mutex::default(),
            connections: Mutex::default(),
            stopped: AtomicBool::new(false),
        });
        let shared = Arc::clone(&common);
        let acceptor = std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if shared.stopped.load(Ordering::SeqCst) {
                    return;
                }
                lock(&shared.connections).push(stream.try_clone().expect("a second handle"));
                let (shared, tls) = (Arc::clone(&shared), tls.clone());
                std::thread::spawn(move || match tls {
                    None => serve(stream.try_clone().expect("a second handle"), &stream, &shared),
                    Some(config) => {
                        let socket = stream.try_clone().expect("a second handle");
                        let session = ServerConnection::new(config).expect("a session");
                        serve(StreamOwned::new(session, stream), &socket, &shared);
                    }
                });
            }
        });
        Self { address, common, acceptor: Some(acceptor) }
    }

    pub(super) fn now(&self, manner: Manner) {
        *lock(&self.common.manner) = manner;
    }

    pub(super) fn questions(&self) -> Vec<Question> {
        lock(&self.common.questions).clone()
    }

    pub(super) fn connections(&self) -> usize {
        lock(&self.common.connections).len()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.common.stopped.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
        for connection in lock(&self.common.connections).iter() {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(stream: impl Read + Write, socket: &TcpStream, common: &Common) {
    let mut stream = BufReader::new(stream);
    while let Some(question) = read(&mut stream) {
        lock(&common.questions).push(question);
        let manner = lock(&common.manner).clone();
        if answer(stream.get_mut(), &manner).is_none() {
            break;
        }
    }
    let _ = socket.shutdown(Shutdown::Both);
}

fn read(stream: &mut impl std::io::BufRead) -> Option<Question> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).ok().filter(|count| *count > 0)?;
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let length = lines.iter().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok())?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    let body = String::from_utf8_lossy(&body).into_owned();
    Some(Question { line: lines.remove(0), headers: lines, body })
}

/// None where the connection is over.
fn answer(stream: &mut impl Write, manner: &Manner) -> Option<()> {
    let mut write = |text: String| stream.write_all(text.as_bytes()).and_then(|()| stream.flush()).ok();
    let whole =
        |status: u16, body: &str| format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    match manner {
        Manner::Answers(status, body) => write(whole(*status, body)),
        Manner::AnswersAndCloses(status, body) => write(whole(*status, body)).and(None),
        Manner::Waits(time) => {
            std::thread::sleep(*time);
            write(whole(200, "{\"allow\": true}"))
        }
        Manner::Babbles => write("SSH-2.0-OpenSSH_9.2\r\n\r\n".to_owned()).and(None),
        Manner::Closes => None,
        Manner::Pours => {
            write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned())?;
            while write(format!("1000\r\n{}\r\n", "x".repeat(0x1000))).is_some() {}
            None
        }
    }
}
