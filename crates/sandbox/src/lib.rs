//! Azure and AWS on loopback, as far as publishing an image needs them: the wire protocols that their SDKs and
//! command-line tools speak, over HTTPS with an authority of the sandbox's own.
//!
//! It is a rehearsal stage and every test's cloud. It checks what the real services check and answers as they answer; it
//! keeps content in sparse files, so an image of 30 GiB costs what its data costs; and it can be looked into:
//! `GET /_sandbox/state` lists every resource, `GET /_sandbox/content/…` gives a disk's bytes, and `GET /_sandbox/requests`
//! is what Azure's Resource Manager was sent.
//!
//! ```text
//! one port ─► Authorization: AWS4-HMAC-SHA256 … /region/service/ ─► aws::{ec2, ebs, s3, iam, …}
//!         ├─► a shared access signature in the query             ─► azure::pages
//!         ├─► /{tenant}/oauth2/…                                 ─► azure::token
//!         ├─► /subscriptions/…                                   ─► azure::arm
//!         └─► /_sandbox/…                                        ─► audit
//! ```
//!
//! It shares no type with the backends: a mistake on one side would cancel out on the other.

mod audit;
mod aws;
mod azure;
mod clock;
mod content;
mod cut;
mod environment;
mod fault;
mod ids;
mod intake;
mod link;
mod message;
mod server;
mod tls;
mod traffic;
mod xml;

pub use aws::{Decision, Grant};
pub use clock::{Clock, Pace};
pub use cut::{Cut, Point};
pub use environment::Environment;
pub use fault::{Fault, FaultKind};
pub use link::Link;
pub use server::{Error, Sandbox, Settings};
