//! Watch: what is measured of a network, when it is bad enough, and what is to be done then. Pure: samples and times come
//! in, decisions go out; `io` fetches samples, `cli` shows and acts.
//!
//! | file | is |
//! | --- | --- |
//! | `policy` | `watch.toml`: signals, the decision matrix, exceptions |
//! | `sample` | what one look saw of every node |
//! | `network` | what the nodes' answers say about the network as a whole |
//! | `series` | a signal's recent past, bounded |
//! | `engine` | holds looks against the matrix, look by look |
//! | `export` | the policy for Prometheus, Alertmanager and Grafana |
//! | `page` | the policy as a page that people read |
//! | `decision` | what the engine came to, and on which evidence |
//! | `stage` | the checks of the first minutes, hour, day and week of a release |
//! | `checklist` | what people have to see to, and who has |
//! | `report` | what a stage or a checklist came to |
//! | `prometheus` | what a Prometheus server is asked, and what it says |
//! | `alertmanager` | an Alertmanager's messages, and what fires |
//! | `looker` | whoever looks |
//! | `recording` | looks as lines of JSON, written and read again |

pub mod alertmanager;
pub mod checklist;
pub mod decision;
pub mod engine;
pub mod export;
pub mod looker;
pub mod network;
pub mod page;
pub mod policy;
pub mod prometheus;
pub mod recording;
pub mod report;
pub mod sample;
pub mod series;
pub mod stage;
#[cfg(test)]
mod tests;
