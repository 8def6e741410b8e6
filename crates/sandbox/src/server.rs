use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::{
    body::{Frame, Incoming},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::{
    Clock, Cut, Environment, Fault, FaultKind, Link, Pace, Point, audit,
    aws::{self, Aws, Decision, Grant},
    azure::{self, Azure},
    content::Content,
    cut::Cuts,
    fault::Faults,
    intake,
    link::Gate,
    message::{Call, Reply},
    tls,
    traffic::Traffic,
};

/// Why the sandbox cannot run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen { address: SocketAddr, source: std::io::Error },
    /// A file or folder cannot be used.
    #[error("cannot use {what}")]
    Io { what: String, source: std::io::Error },
    /// No certificate can be made.
    #[error("cannot make a certificate")]
    Tls(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// How a sandbox is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where content and the authority's certificate are kept.
    pub state_dir: PathBuf,
    /// How long things take.
    pub pace: Pace,
    /// What the line to it is like.
    pub link: Link,
    /// Whether image data is taken on trust and thrown away, but for the ends that say what it is: then the time of a client
    /// is its own. No checksum is compared and no content can be read back.
    pub discard: bool,
}

impl Settings {
    /// On a free loopback port, with everything over at once.
    #[must_use]
    pub fn new(state_dir: impl Into<PathBuf>) -> Self {
        let listen = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
        Self { listen, state_dir: state_dir.into(), pace: Pace::instant(), link: Link::default(), discard: false }
    }
}

/// A running sandbox. It ends when it is dropped.
#[derive(Debug)]
pub struct Sandbox {
    world: Arc<World>,
    address: SocketAddr,
    ca_file: PathBuf,
    server: JoinHandle<()>,
}

/// Everything the handlers share.
#[derive(Debug)]
pub(crate) struct World {
    pub azure: Azure,
    pub aws: Aws,
    pub clock: Clock,
    pub pace: Pace,
    pub link: Link,
    pub gate: Gate,
    pub discard: bool,
    pub faults: Faults,
    pub cuts: Cuts,
    pub traffic: Traffic,
    pub content_dir: PathBuf,
}

/// What answers a call.
pub(crate) type Handler = fn(&World, &Call) -> Reply;
/// How a service words a fault.
pub(crate) type Refuse = fn(&Call, FaultKind) -> Reply;

/// Where a call goes.
pub(crate) struct Route {
    /// The operation's name, for faults and counts.
    pub operation: String,
    /// The region of AWS that was addressed.
    pub region: Option<String>,
    pub mutates: bool,
    /// Whether the body is a part of a disk image.
    pub carries_image: bool,
    pub handler: Handler,
    pub refuse: Refuse,
}

impl Sandbox {
    /// Starts a sandbox.
    ///
    /// # Errors
    /// [`Error`], if the address is taken or the state folder cannot be written.
    pub async fn start(settings: Settings) -> Result<Self, Error> {
        let content_dir = settings.state_dir.join("content");
        let io = |path: &Path| {
            let what = path.display().to_string();
            move |source| Error::Io { what, source }
        };
        std::fs::create_dir_all(&content_dir).map_err(io(&content_dir))?;
        let tls = tls::make(&[settings.listen.ip(), IpAddr::V4(Ipv4Addr::LOCALHOST)])?;
        let ca_file = tls::write_ca(&settings.state_dir, &tls.ca)?;
        let failed = |source| Error::Listen { address: settings.listen, source };
        let listener = TcpListener::bind(settings.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let world = Arc::new(World {
            azure: Azure::default(),
            aws: Aws::default(),
            clock: Clock::default(),
            pace: settings.pace,
            link: settings.link,
            gate: Gate::new(&settings.link),
            discard: settings.discard,
            faults: Faults::default(),
            cuts: Cuts::default(),
            traffic: Traffic::default(),
            content_dir,
        });
        let server = tokio::spawn(serve(listener, tls.acceptor, world.clone()));
        Ok(Self { world, address, ca_file, server })
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The certificate of its authority.
    #[must_use]
    pub fn ca_file(&self) -> &Path {
        &self.ca_file
    }

    /// The variables that point clients at it.
    #[must_use]
    pub fn environment(&self) -> Environment {
        Environment::of(&self.url(), &self.ca_file)
    }

    /// Makes calls go wrong.
    pub fn add_fault(&self, fault: Fault) {
        self.world.faults.add(fault);
    }

    /// Has a share of all requests go wrong in any way that a client can tell, from now on. The same seed gives the nth request
    /// of each operation the same fate.
    pub fn add_chaos(&self, seed: u64, share: f64) {
        self.world.faults.add_chaos(seed, share);
    }

    /// Ends that; how many requests went wrong.
    pub fn clear_chaos(&self) -> u64 {
        self.world.faults.clear_chaos()
    }

    /// Ends all faults.
    pub fn clear_faults(&self) {
        self.world.faults.clear();
    }

    /// Tells when a client has come to a request at which it is to be killed. It gets no answer there.
    pub fn cut(&self, at: Cut) -> tokio::sync::oneshot::Receiver<()> {
        self.world.cuts.set(at)
    }

    /// Has the account of AWS decide something for a region.
    pub fn decide(&self, region: &str, decision: Decision) {
        aws::decide(&self.world, region, decision);
    }

    /// Has an administrator of the account of AWS change what identities may do.
    ///
    /// # Errors
    /// What is wrong with a policy document.
    pub fn grant(&self, grant: Grant) -> Result<(), String> {
        aws::grant(&self.world, grant)
    }

    /// Pushes the clock of long operations forward.
    pub fn advance(&self, by: Duration) {
        self.world.clock.advance(by);
    }

    /// The audit, as `GET /_sandbox/state` answers it.
    #[must_use]
    pub fn state(&self) -> serde_json::Value {
        audit::state(&self.world)
    }

    /// The file with the bytes of a disk, by the `content` path in the audit. It lasts as long as the resource.
    #[must_use]
    pub fn content_file(&self, content: &str) -> Option<PathBuf> {
        audit::content(&self.world, content).map(|content| content.path().to_owned())
    }

    /// Runs until the task is ended.
    pub async fn wait(mut self) {
        // The accept loop ends only if it panics; then there is nothing left to wait for.
        let _ = (&mut self.server).await;
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, acceptor: tokio_rustls::TlsAcceptor, world: Arc<World>) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                // Small answers to small requests: waiting to fill a packet costs more than it saves.
                let _ = stream.set_nodelay(true);
                let (acceptor, world) = (acceptor.clone(), world.clone());
                connections.spawn(async move {
                    // A connection that breaks is the client's business.
                    match is_tls(&stream).await {
                        Ok(true) => {
                            let Ok(stream) = acceptor.accept(stream).await else { return };
                            talk(stream, &world, "https").await;
                        }
                        Ok(false) => talk(stream, &world, "http").await,
                        Err(_) => {}
                    }
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Whether a client begins with a TLS handshake, which no request of HTTP does (RFC 8446, section 5.1, `ContentType`).
async fn is_tls(stream: &TcpStream) -> std::io::Result<bool> {
    const HANDSHAKE: u8 = 22;
    let mut first = [0];
    Ok(stream.peek(&mut first).await? == 1 && first[0] == HANDSHAKE)
}

async fn talk(stream: impl AsyncRead + AsyncWrite + Unpin, world: &World, scheme: &'static str) {
    let service = service_fn(|request| answer(world, scheme, request));
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// Ends a connection without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection is reset")]
struct Reset;

fn route(call: &Call) -> Route {
    if aws::is_addressed(call) { aws::route(call) } else { azure::route(call) }
}

async fn answer(world: &World, scheme: &str, request: Request<Incoming>) -> Result<Response<Body>, Reset> {
    let (head, body) = request.into_parts();
    let host = head.headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let origin = format!("{scheme}://{host}");
    let path = head.uri.path_and_query().map_or("/", |p| p.as_str());
    let mut call = Call::new(head.method, path, head.headers, origin);
    // What carries image data is known by its head alone.
    let discarded =
        world.discard && call.method == http::Method::PUT && !call.says_what_it_is() && route(&call).carries_image;
    let taken = intake::read(body, &world.gate, discarded).await.ok_or(Reset)?;
    (call.body, call.length) = (taken.bytes, taken.length);
    if call.path.starts_with("/_sandbox") {
        return respond(&call, audit::answer(world, &call).await).map_err(|_| Reset);
    }
    let route = route(&call);
    if !world.link.latency.is_zero() {
        tokio::time::sleep(world.link.latency).await;
    }
    let Some((point, tell)) = world.cuts.next(&route.operation) else {
        let reply = act(world, &route, &mut call).await?;
        return respond(&call, reply).map_err(|_| Reset);
    };
    if point == Point::Sent {
        act(world, &route, &mut call).await?;
    }
    // Whoever waits for it may have gone.
    let _ = tell.send(());
    std::future::pending().await
}

async fn act(world: &World, route: &Route, call: &mut Call) -> Result<Reply, Reset> {
    world.traffic.note(route, call);
    if aws::is_addressed(call) && !aws::may(world, call, &route.operation) {
        return Ok((route.refuse)(call, FaultKind::Deny));
    }
    match world.faults.next_request(&route.operation, route.region.as_deref()) {
        None => Ok((route.handler)(world, call)),
        Some(FaultKind::ResetBefore) => Err(Reset),
        Some(FaultKind::ResetAfter) => {
            (route.handler)(world, call);
            Err(Reset)
        }
        Some(FaultKind::Stall) => {
            std::future::pending::<Infallible>().await;
            Err(Reset)
        }
        Some(FaultKind::Lose) => Ok(Reply::empty(201)),
        Some(FaultKind::Gather) => {
            world.faults.gathered(&route.operation).await;
            Ok((route.handler)(world, call))
        }
        Some(FaultKind::Corrupt) => {
            let mut body = call.body.to_vec();
            if let Some(byte) = body.first_mut() {
                *byte ^= 1;
            }
            call.body = body.into();
            Ok((route.handler)(world, call))
        }
        Some(FaultKind::Expire) => {
            world.azure.expire(route.operation == "PutPage");
            Ok((route.handler)(world, call))
        }
        Some(
            kind @ (FaultKind::Throttle
            | FaultKind::Busy
            | FaultKind::ServerError
            | FaultKind::Deny
            | FaultKind::Forget),
        ) => Ok((route.refuse)(call, kind)),
    }
}

fn respond(call: &Call, reply: Reply) -> http::Result<Response<Body>> {
    let mut response = Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        response = response.header(*name, value);
    }
    // The length of what a GET would have sent; hyper sends no body for HEAD.
    let length = reply.headers.iter().any(|(name, _)| *name == "content-length");
    if call.method == http::Method::HEAD && !length {
        response = response.header("content-length", reply.body.len());
    }
    let request_id = crate::ids::random();
    for name in ["x-ms-request-id", "x-amzn-requestid", "x-amz-request-id"] {
        response = response.header(name, &request_id);
    }
    response.body(match reply.disk {
        _ if call.method == http::Method::HEAD => whole(Bytes::new()),
        Some((content, range)) => read(content, range),
        None => whole(reply.body),
    })
}

type Body = BoxBody<Bytes, std::io::Error>;

fn whole(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed()
}

/// A part of a disk, a mebibyte at a time: a disk is larger than memory.
fn read(content: Arc<Content>, range: Range<u64>) -> Body {
    const STEP: u64 = 1 << 20;
    let pieces = futures::stream::unfold((content, range), |(content, range)| async move {
        let end = range.end.min(range.start + STEP);
        if range.start >= end {
            return None;
        }
        let piece = content.read(range.start, (end - range.start) as usize);
        Some((piece.map(|bytes| Frame::data(Bytes::from(bytes))), (content, end..range.end)))
    });
    BodyExt::boxed(StreamBody::new(pieces))
}
