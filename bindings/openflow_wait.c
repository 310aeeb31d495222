/* Who waits on an OpenFlow connection: for a reply, or for room to send. */
#include "bindings/openflow_channel.h"

void ofc_call_finish(struct ofc_call *call)
{
	call->done = true;
	ofc_call_remove(call);
	wait_done(&call->wait);
}

void ofc_senders_wake(struct ofc_channel *c)
{
	while (c->senders) {
		struct ofc_sender *s = c->senders;

		ofc_sender_remove(s);
		wait_done(&s->wait);
	}
}

static void on_call_timeout(struct ev_loop *loop, struct ev_timer *t, int events)
{
	struct ofc_call *call = t->data;

	(void)loop;
	(void)events;
	call->timed_out = true;
	ofc_call_finish(call);
}

static void cancel_call(struct wait *w)
{
	ofc_call_remove((struct ofc_call *)w);
}

void ofc_call_add(struct ofc_channel *c, struct ofc_call *call, double timeout)
{
	call->wait.cancel = cancel_call;
	call->channel = c;
	call->next = c->calls;
	c->calls = call;
	ev_now_update(c->loop);
	ev_timer_init(&call->timer, on_call_timeout, timeout, 0);
	call->timer.data = call;
	ev_timer_start(c->loop, &call->timer);
	if (!c->paused)
		return;
	c->dropping = true;	/* the reply is behind the packets that wait */
	ofc_resume(c);
}

void ofc_call_remove(struct ofc_call *call)
{
	struct ofc_call **at;

	if (!call->channel)
		return;
	ev_timer_stop(call->channel->loop, &call->timer);
	for (at = &call->channel->calls; *at != call; at = &(*at)->next)
		;
	*at = call->next;
	call->channel = NULL;
}

static void cancel_sender(struct wait *w)
{
	ofc_sender_remove((struct ofc_sender *)w);
}

void ofc_sender_add(struct ofc_channel *c, struct ofc_sender *s)
{
	s->wait.cancel = cancel_sender;
	s->channel = c;
	s->next = c->senders;
	c->senders = s;
}

void ofc_sender_remove(struct ofc_sender *s)
{
	struct ofc_sender **at;

	if (!s->channel)
		return;
	for (at = &s->channel->senders; *at != s; at = &(*at)->next)
		;
	*at = s->next;
	s->channel = NULL;
}
