/* The streams of a connection: notifications for whoever asked for them, whichever turn they belong to. */
#ifndef CODEX_CORE_SUBSCRIPTION_H
#define CODEX_CORE_SUBSCRIPTION_H

#include "session.h"

/* Makes the stream that keeps what nobody has asked for yet. CX_OK or CX_ENOMEM. */
int cx_subscriptions_open(cx_session *session);

/* Gives a notification to every stream that it concerns. CX_OK or CX_ENOMEM. */
int cx_subscriptions_publish(cx_session *session, const cx_message *message);

/* Ends all streams, which outlive the session where users hold them; the session knows why it ended. */
void cx_subscriptions_end(cx_session *session);

#endif
