//! The daemon's service, as `node.toml` says: by systemd or by commands.

use super::service_command::CommandService;
use super::service_systemd::SystemdService;
use crate::node::config::{Control, NodeConfig};
use crate::node::host::Service;

/// The service of `config`; none where relman restarts nothing.
pub fn from_config(config: &NodeConfig) -> Option<Box<dyn Service>> {
    let service = config.service.as_ref()?;
    Some(match &service.control {
        Control::Systemd { unit } => Box::new(SystemdService::new(unit, service, &config.health)),
        Control::Command { .. } => Box::new(CommandService::new(config, service)),
    })
}
