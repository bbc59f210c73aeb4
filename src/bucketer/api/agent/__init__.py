"""Optimizely Agent's API, below `/v1/`: its paths, bodies, statuses and words.

Source: optimizely/agent 471fdcd (4.4.0) with go-sdk 2.3.1, as it answers.
"""
