//! `POST /device_authorization`: a program without a browser asks for a code that its user types in
//! elsewhere (RFC 8628).
//!
//! A device names its resource here, once. The engine's record of a device grant has no place for it, so that
//! it is kept beside, and given to the tokens when they are issued.

use std::convert::identity;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use http::StatusCode;
use oauth_as::{DeviceAuthorizationResponse, ErrorCode, ErrorResponse, ScopeSet};

use crate::answers::{self, Response};
use crate::audit::{audit, printable};
use crate::authorize::{granted_scope, target};
use crate::client_authentication::ClientRequest;
use crate::server::Inner;

/// How long a device and its user have (RFC 8628 §3.2).
pub(crate) const LIFETIME: Duration = Duration::from_secs(600);
/// Between two polls of a device (RFC 8628 §3.2).
pub(crate) const INTERVAL: Duration = Duration::from_secs(5);

/// Gives a device its codes, or says what is wrong with its request.
pub(crate) async fn authorize(State(server): State<Arc<Inner>>, request: Request) -> Response {
    let request = match ClientRequest::read(&server, request, identity).await {
        Ok(request) => request,
        Err(refusal) => return refusal,
    };
    if let Err(refusal) = request.meet_client(&server).await {
        return refusal;
    }
    let now = server.settings.clock.now();
    let key = format!("{:?}", request.peer);
    let too_many =
        |wait| answers::too_often(ErrorCode::TemporarilyUnavailable, "too many devices", wait);
    if !server.devices_by_peer.admit(&key, now) {
        return too_many(server.devices_by_peer.wait(&key, now));
    }
    let records = server.engine.store().records();
    match records.has_devices(server.settings.limits.device_grants, now).await {
        Ok(false) => {}
        // Some of them end in time, or are used.
        Ok(true) => return too_many(INTERVAL),
        Err(_) => {
            return request.answer_error(&server, &ErrorResponse::new(ErrorCode::ServerError));
        }
    }
    match begin(&server, &request).await {
        Ok(codes) => {
            let client_id = printable(request.credentials.client_id.as_str());
            audit!(info, "device waits for its user", %client_id);
            answers::json(StatusCode::OK, &codes)
        }
        Err(error) => request.answer_error(&server, &error),
    }
}

async fn begin(
    server: &Inner,
    ClientRequest { form, credentials, .. }: &ClientRequest,
) -> Result<DeviceAuthorizationResponse, ErrorResponse> {
    let resource = target(server, form)?;
    let scope = ScopeSet::parse(&granted_scope(resource, form.get("scope"))?)
        .map_err(|_| ErrorResponse::new(ErrorCode::InvalidScope))?;
    let (client_id, proof) = (&credentials.client_id, credentials.to_engine());
    let engine = &server.engine;
    let codes =
        engine.device_authorization_with_credential(client_id, &proof, Some(&scope)).await?;
    let ends = server.settings.clock.now() + LIFETIME;
    let store = engine.store();
    // Without its resource the grant is worth nothing, and the device hears that.
    let kept = store.keep_device_resource(&codes.device_code, &resource.identifier, ends).await;
    kept.map_err(|error| {
        tracing::error!(%error, "a device could not be kept");
        ErrorResponse::new(ErrorCode::ServerError)
    })?;
    Ok(codes)
}
