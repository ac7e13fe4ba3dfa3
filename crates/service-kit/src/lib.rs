//! Settings, telemetry, health, authentication, shutdown, retry.
