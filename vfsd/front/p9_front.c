/* 9P among the fronts that listen= reaches: fronts.h. */
#include "p9.h"
#include "p9_front.h"

int
p9_front_start(const struct front_conf *fc, void **out)
{
	struct p9_conf conf = { .server = fc->server,
	    .sessions = fc->sessions, .owner = fc->owner,
	    .others = fc->others, .users = fc->users, .atime = fc->atime };
	struct p9 *p;
	unsigned i;
	int err;

	if ((err = p9_start(&conf, &p)) < 0)
		return err;
	for (i = 0; i < fc->nlisteners && err == 0; i++)
		err = p9_listen(p, fc->listeners[i]->fd);
	if (err < 0)
		p9_stop(p);
	else
		*out = p;
	return err;
}

void
p9_front_stop(void *front)
{
	p9_stop(front);
}

void
p9_front_status(void *front, wire_put *put, void *to)
{
	struct p9_stats st;

	p9_stats(front, &st);
	put(to, "9p.connections", st.conns);
	put(to, "9p.fids", st.fids);
	put(to, "9p.messages", st.messages);
	put(to, "9p.errors", st.errors);
	put(to, "9p.refused", st.refused);
	put(to, "9p.malformed", st.malformed);
	put(to, "9p.stalled", st.stalled);
}
