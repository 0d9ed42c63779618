//! Who a request speaks for: the way from its head to a decision (design: 401 before the body is read).

use super::{
    Challenges, Principal, ResourceServer,
    route::{Refusal, Route},
};
use crate::{
    bearer::{BearerError, BearerToken, Credentials},
    challenge::{Challenge, Reason, Unavailable},
    encoding::{percent::Encoded, scratch::Scratch},
    introspection::{self, Introspected},
    jwt::UnverifiedJwt,
    message::{IncomingResponse, RequestHead},
    scope::RequiredScopes,
    time::UnixTime,
    token::{Expectations, Proven, TokenError, TokenFacts},
};

/// What to do with a request. Match it in full: there is no default.
#[must_use = "a request without a decision must not reach a handler"]
#[derive(Debug)]
pub enum Decision<'s> {
    /// The token is good and has the needed scopes.
    Allow(Principal<'s>),
    /// Answer with the challenge.
    Challenge(Challenge<'s>),
    /// Answer with the metadata document.
    Metadata(&'s str),
    /// Ask about the token first.
    NeedIntrospection(Introspection<'s>),
    /// Answer without regard to any token.
    Refuse(Refusal),
    /// Answer `OPTIONS` (RS-36).
    Preflight,
}

/// The outcome of an introspection; there is no second one.
#[must_use = "a request without a verdict must not reach a handler"]
#[derive(Debug)]
pub enum Verdict<'s> {
    /// The token is good and has the needed scopes.
    Allow(Principal<'s>),
    /// Answer with the challenge.
    Challenge(Challenge<'s>),
}

/// A request that waits for word about its token.
#[must_use = "the request waits for a verdict"]
#[derive(Clone, Copy, Debug)]
pub struct Introspection<'s> {
    token: BearerToken<'s>,
    proven: Proven,
    expectations: Expectations<'s>,
    needed: RequiredScopes<'s>,
    challenges: Challenges<'s>,
}

impl<'c> ResourceServer<'c> {
    /// Decides from the head of a request, in the order of transport.md §5, steps 1 to 5.
    ///
    /// `needed` is what every call needs, [`Policy::base`](super::Policy::base). `now` is `None` where
    /// the time is not known: a presented token is then answered with 503, never admitted.
    /// [`SCRATCH_LEN`](crate::limits::SCRATCH_LEN) bytes of scratch are always enough.
    pub fn decide<'s>(
        &self,
        head: &RequestHead<'s>,
        needed: RequiredScopes<'s>,
        now: Option<UnixTime>,
        scratch: &mut Scratch<'s>,
    ) -> Decision<'s>
    where
        'c: 's,
    {
        match self.route(head) {
            Route::Metadata => Decision::Metadata(self.published.document),
            Route::Preflight => Decision::Preflight,
            Route::Refuse(refusal) => Decision::Refuse(refusal),
            Route::Endpoint => self.authenticate(head, needed, now, scratch),
        }
    }

    // Apart, for less code and less stack on a device.
    #[inline(never)]
    fn authenticate<'s>(
        &self,
        head: &RequestHead<'s>,
        needed: RequiredScopes<'s>,
        now: Option<UnixTime>,
        scratch: &mut Scratch<'s>,
    ) -> Decision<'s>
    where
        'c: 's,
    {
        #[cfg(feature = "dpop")]
        if let Some(dpop) = self.configuration.dpop {
            return self.authenticate_sender(dpop, head, needed, now, scratch);
        }
        let challenges = self.challenges();
        let refuse = |reason| Decision::Challenge(challenges.challenge(reason, needed));
        let token = match Credentials::parse(head.authorization) {
            Ok(Credentials::Bearer(token)) => token,
            Ok(Credentials::Absent | Credentials::OtherScheme) => {
                return refuse(Reason::NoCredentials);
            }
            Err(error) => return refuse(Reason::Request(error)),
        };
        // RS-24, RS-33: a token in the query is never honoured; beside the header it is a second
        // way of sending one.
        if head.query.is_some_and(names_access_token) {
            return refuse(Reason::Request(BearerError::TwoMethods));
        }
        let Some(now) = now else {
            return refuse(Reason::Unavailable(Unavailable::ClockUnknown));
        };
        self.judge(token, Proven::NOTHING, &challenges, &needed, now, scratch)
    }

    /// What becomes of a token that was presented in the right way.
    // By reference and inline: on a device it has one caller, whose values would be copied.
    #[inline(always)]
    pub(super) fn judge<'s>(
        &self,
        token: BearerToken<'s>,
        proven: Proven,
        challenges: &Challenges<'s>,
        needed: &RequiredScopes<'s>,
        now: UnixTime,
        scratch: &mut Scratch<'s>,
    ) -> Decision<'s>
    where
        'c: 's,
    {
        let refuse = |reason| Decision::Challenge(challenges.challenge(reason, *needed));
        match self.verify_offline(token, proven, now, scratch) {
            Offline::Facts(facts) => match challenges.admit(&facts, *needed) {
                Verdict::Allow(principal) => Decision::Allow(principal),
                Verdict::Challenge(challenge) => Decision::Challenge(challenge),
            },
            Offline::Refused(error) => refuse(Reason::from(error)),
            Offline::Ask(expectations) => Decision::NeedIntrospection(Introspection {
                token,
                proven,
                expectations,
                needed: *needed,
                challenges: *challenges,
            }),
        }
    }

    /// Tries the keys of each issuer in turn; a signature that verifies settles whose token it is.
    fn verify_offline<'s>(
        &self,
        token: BearerToken<'s>,
        proven: Proven,
        now: UnixTime,
        scratch: &mut Scratch<'s>,
    ) -> Offline<'s>
    where
        'c: 's,
    {
        let issuers = self.configuration.issuers;
        let asked = issuers.iter().find(|issuer| issuer.verification.asks());
        let mut refused = TokenError::Malformed;
        let has_keys = issuers.iter().any(|issuer| issuer.verification.keys().is_some());
        if has_keys {
            let known = |segment: &str, scratch: &mut Scratch<'s>| {
                let mut all = issuers.iter().filter_map(|issuer| issuer.verification.keys());
                all.find_map(|keys| keys.known_header(segment, scratch))
            };
            match UnverifiedJwt::parse_known(token.expose(), known, scratch) {
                Ok(jwt) => {
                    for issuer in issuers {
                        let Some(keys) = issuer.verification.keys() else { continue };
                        match jwt.verify(keys) {
                            Ok(verified) => {
                                let expectations = self.expectations(issuer.identifier);
                                return match verified.validate_sent(
                                    &expectations,
                                    proven,
                                    now,
                                    scratch,
                                ) {
                                    Ok(facts) => Offline::Facts(facts),
                                    Err(error) => Offline::Refused(error),
                                };
                            }
                            // Another issuer's refusal settles nothing while the keys of this one
                            // are not known.
                            Err(_) if refused == TokenError::KeysUnavailable => {}
                            Err(error) => refused = error,
                        }
                    }
                }
                Err(error) => refused = error,
            }
        }
        match asked {
            // Where there is no key, a JWT is as opaque as anything else.
            Some(issuer) if !(has_keys && is_settled_here(token, refused)) => {
                Offline::Ask(self.expectations(issuer.identifier))
            }
            Some(_) | None => Offline::Refused(refused),
        }
    }

    const fn expectations<'s>(&self, issuer: &'s str) -> Expectations<'s>
    where
        'c: 's,
    {
        Expectations {
            issuer,
            resource: self.configuration.resource,
            leeway: self.configuration.leeway,
            lifetime_secs_max: self.configuration.lifetime_secs_max,
            several_audiences: self.configuration.several_audiences,
        }
    }
}

/// Whether a query has a parameter `access_token` (RFC 6750 §2.3), however its name is spelled.
pub(super) fn names_access_token(query: &str) -> bool {
    query.split(['&']).any(|pair| {
        let name = pair.split_once(['=']).map_or(pair, |(name, _)| name);
        Encoded::form(name).is_ok_and(|name| name.eq_str("access_token"))
    })
}

/// Whether a token that failed here is not to be asked about (SEC-373).
///
/// An opaque token is no JWS at all. What has the three segments of one, the first of them an encoded
/// JSON object, is a JWT that failed, also where it cannot be read any further.
fn is_settled_here(token: BearerToken<'_>, refused: TokenError) -> bool {
    let token = token.expose();
    // `{`, and a quote or the white space that may stand before it.
    let begins_as_object = token.starts_with("ey") || token.starts_with("ew");
    let is_jws = begins_as_object && token.split(['.']).count() == 3;
    refused != TokenError::Malformed || is_jws
}

/// What the keys at hand say of a token.
enum Offline<'s> {
    Facts(TokenFacts<'s>),
    Refused(TokenError),
    Ask(Expectations<'s>),
}

impl<'s> Introspection<'s> {
    /// The token to ask about.
    pub const fn token(&self) -> BearerToken<'s> {
        self.token
    }

    /// The issuer to ask; its endpoint is configured, never taken from a token (RS-84).
    pub const fn issuer(&self) -> &'s str {
        self.expectations.issuer
    }

    /// Goes on with the answer of the introspection endpoint, `None` when there is none.
    pub fn resume(
        self,
        response: Option<&IncomingResponse<'s>>,
        now: Option<UnixTime>,
        scratch: &mut Scratch<'s>,
    ) -> Verdict<'s> {
        let answer = match response {
            Some(response) => introspection::parse(response, self.expectations.issuer, scratch)
                .or_else(|error| match error.reason() {
                    Reason::Unavailable(unavailable) => Err(unavailable),
                    // RS-81: an answer that does not say that the token is active says no.
                    _ => Ok(Introspected::Inactive),
                }),
            None => Err(Unavailable::AuthorizationServer),
        };
        self.resume_with(answer, now)
    }

    /// Goes on with what is known of the token: a parsed or remembered answer, or the facts from a
    /// verifier of the user's own. Audience, times and scopes are checked all the same (RS-82).
    pub fn resume_with(
        self,
        answer: Result<Introspected<'s>, Unavailable>,
        now: Option<UnixTime>,
    ) -> Verdict<'s> {
        let refuse = |reason| Verdict::Challenge(self.challenges.challenge(reason, self.needed));
        let Some(now) = now else {
            return refuse(Reason::Unavailable(Unavailable::ClockUnknown));
        };
        match answer {
            Err(unavailable) => refuse(Reason::Unavailable(unavailable)),
            Ok(Introspected::Inactive) => refuse(Reason::Token(TokenError::Inactive)),
            Ok(Introspected::Active(facts)) => {
                match self.expectations.check_sent(&facts, self.proven, now) {
                    Err(error) => refuse(Reason::Token(error)),
                    Ok(()) => self.challenges.admit(&facts, self.needed),
                }
            }
        }
    }
}

impl<'s> Challenges<'s> {
    pub(super) fn challenge(&self, reason: Reason, needed: RequiredScopes<'s>) -> Challenge<'s> {
        let challenge = Challenge::new(reason, self.resource_metadata, needed);
        #[cfg(feature = "dpop")]
        let challenge = challenge.with_offer(self.offer());
        challenge
    }

    pub(super) fn insufficient_scope(&self, needed: RequiredScopes<'s>) -> Challenge<'s> {
        self.challenge(Reason::Scope, needed)
    }

    /// The last check of a token whose claims passed: its scopes.
    fn admit(&self, facts: &TokenFacts<'s>, needed: RequiredScopes<'s>) -> Verdict<'s> {
        #[cfg(feature = "dpop")]
        if let Err(reason) = self.use_proof() {
            return Verdict::Challenge(self.challenge(reason, needed));
        }
        let principal = Principal::new(facts, *self);
        match principal.require(needed) {
            Ok(()) => Verdict::Allow(principal),
            Err(challenge) => Verdict::Challenge(challenge),
        }
    }
}
