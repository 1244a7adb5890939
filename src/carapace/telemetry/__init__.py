"""What the gateway says about itself: logs, audit trail, metrics, readiness.

Everything that is written passes one redactor first, so a secret has one place to be caught.
Nothing here may stop the gateway: a full disk loses log lines and counts them, it never raises.
"""
