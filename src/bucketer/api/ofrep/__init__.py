"""OpenFeature's remote evaluation protocol: what its SDKs ask of a flag, in every language.

Source: open-feature/protocol, service/openapi.yaml 0.3.0.
"""
