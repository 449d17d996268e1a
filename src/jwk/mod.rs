//! JWK sets (RFC 7517): keys, what they check and what they sign.
