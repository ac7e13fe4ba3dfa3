//! Journeys across services: the real binary, the simulator as the ERP, real clients. A file per sentence.
