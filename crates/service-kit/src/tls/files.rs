//! Certificates and keys as PEM files. A complaint names the setting and the file, never what stands in it.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;
use tokio_rustls::rustls;
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Names the setting first: whoever says it puts the section before it.
#[derive(Debug, Error)]
pub enum TlsError {
    #[error("{setting}: {path} cannot be read", path = path.display())]
    Unreadable {
        setting: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("{setting}: {path} holds no {what} as PEM", path = path.display())]
    Nothing {
        setting: &'static str,
        path: PathBuf,
        what: &'static str,
    },
    #[error("{setting}: {path} cannot be used", path = path.display())]
    Unusable {
        setting: &'static str,
        path: PathBuf,
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("{given} needs {missing} beside it")]
    Half {
        given: &'static str,
        missing: &'static str,
    },
}

/// One file and the setting that names it.
#[derive(Debug, Clone)]
pub struct File {
    setting: &'static str,
    path: PathBuf,
}

impl File {
    /// An empty path names no file.
    pub fn named(setting: &'static str, path: &Path) -> Option<Self> {
        (!path.as_os_str().is_empty()).then(|| Self {
            setting,
            path: path.to_owned(),
        })
    }

    pub fn read(&self) -> Result<Vec<u8>, TlsError> {
        std::fs::read(&self.path).map_err(|source| TlsError::Unreadable {
            setting: self.setting,
            path: self.path.clone(),
            source,
        })
    }

    pub fn unusable(&self, source: rustls::Error) -> TlsError {
        TlsError::Unusable {
            setting: self.setting,
            path: self.path.clone(),
            source: source.into(),
        }
    }

    fn nothing(&self, what: &'static str) -> TlsError {
        TlsError::Nothing {
            setting: self.setting,
            path: self.path.clone(),
            what,
        }
    }

    pub fn certificates(&self, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        match read {
            Ok(certificates) if !certificates.is_empty() => Ok(certificates),
            Ok(_) | Err(_) => Err(self.nothing("certificate")),
        }
    }

    pub fn key(&self, pem: &[u8]) -> Result<PrivateKeyDer<'static>, TlsError> {
        PrivateKeyDer::from_pem_slice(pem).map_err(|_| self.nothing("private key"))
    }

    pub fn authorities(&self, pem: &[u8]) -> Result<RootCertStore, TlsError> {
        let mut authorities = RootCertStore::empty();
        for certificate in self.certificates(pem)? {
            let added = authorities.add(certificate);
            added.map_err(|error| self.unusable(error))?;
        }
        Ok(authorities)
    }
}

/// A certificate and its key, which come together or not at all.
#[derive(Debug, Clone)]
pub struct Identity {
    certificate: File,
    key: File,
}

impl Identity {
    pub fn named(certificate: &Path, key: &Path) -> Result<Option<Self>, TlsError> {
        let (given, missing) = match (
            File::named("certificate", certificate),
            File::named("key", key),
        ) {
            (Some(certificate), Some(key)) => return Ok(Some(Self { certificate, key })),
            (None, None) => return Ok(None),
            (Some(_), None) => ("certificate", "key"),
            (None, Some(_)) => ("key", "certificate"),
        };
        Err(TlsError::Half { given, missing })
    }

    pub fn read(&self) -> Result<(Vec<u8>, Vec<u8>), TlsError> {
        Ok((self.certificate.read()?, self.key.read()?))
    }

    pub fn parsed(
        &self,
        (certificate, key): &(Vec<u8>, Vec<u8>),
    ) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
        let certificates = self.certificate.certificates(certificate)?;
        Ok((certificates, self.key.key(key)?))
    }

    /// Most often they do not belong together.
    pub fn unusable(&self, error: rustls::Error) -> TlsError {
        self.certificate.unusable(error)
    }
}
