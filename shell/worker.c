/* The pool of worker threads. */
#include "shell/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "shell/registry.h"
#include "shell/runtime.h"
#include "shell/worker_private.h"

static void *work(void *arg)
{
	struct runtime *rt = arg;

	pthread_mutex_lock(&rt->lock);
	for (;;) {
		struct job *job;

		while (!rt->queue_head && !rt->stopping)
			pthread_cond_wait(&rt->work, &rt->lock);
		job = rt->queue_head;
		if (!job)
			break;
		rt->queue_head = job->next;
		if (!rt->queue_head)
			rt->queue_tail = NULL;
		pthread_mutex_unlock(&rt->lock);
		job->run(job);
		pthread_mutex_lock(&rt->lock);
		job->next = rt->finished;
		rt->finished = job;
		ev_async_send(rt->loop, &rt->finished_async);
	}
	pthread_mutex_unlock(&rt->lock);
	return NULL;
}

static void end_jobs(struct runtime *rt)
{
	struct job *job, *next;

	pthread_mutex_lock(&rt->lock);
	job = rt->finished;
	rt->finished = NULL;
	pthread_mutex_unlock(&rt->lock);
	for (; job; job = next) {
		int anchor = job->anchor;

		next = job->next;
		rt->jobs_in_flight--;
		if (job->done) {
			job->done(job);
			continue;
		}
		wait_done(&job->wait);
		luaL_unref(rt->L, LUA_REGISTRYINDEX, anchor);	/* the sleeping task's stack holds it too */
	}
}

static void on_finished(struct ev_loop *loop, struct ev_async *watcher, int events)
{
	(void)loop;
	(void)events;
	end_jobs(watcher->data);
}

/* The job itself goes on; only its task stops waiting for it. */
static void cancel_job(struct wait *w)
{
	(void)w;
}

/* Threads start with the first job: a script that needs none starts faster. */
static void start_threads(struct runtime *rt)
{
	const int want = sizeof(rt->threads) / sizeof(rt->threads[0]);
	sigset_t all, old;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);	/* signals belong to the loop's thread */
	while (rt->thread_count < want &&
	       !pthread_create(&rt->threads[rt->thread_count], NULL, work, rt))
		rt->thread_count++;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static bool have_threads(struct runtime *rt)
{
	if (!rt->thread_count && !rt->stopping)
		start_threads(rt);
	return rt->thread_count > 0 && !rt->stopping;
}

static void enqueue(struct runtime *rt, struct job *job)
{
	job->rt = rt;
	job->next = NULL;
	rt->jobs_in_flight++;
	pthread_mutex_lock(&rt->lock);
	if (rt->queue_tail)
		rt->queue_tail->next = job;
	else
		rt->queue_head = job;
	rt->queue_tail = job;
	pthread_cond_signal(&rt->work);
	pthread_mutex_unlock(&rt->lock);
}

int worker_start(struct ev_loop *loop, struct job *job)
{
	struct runtime *rt = ev_userdata(loop);

	if (!have_threads(rt))
		return -EAGAIN;
	enqueue(rt, job);
	return 0;
}

int worker_call(lua_State *L, int idx, struct job *job, lua_KContext ctx, lua_KFunction k)
{
	struct runtime *rt = runtime_of(L);

	task_check_wait(L);
	if (!have_threads(rt))
		return nerv_error(L, "cannot start a worker thread");
	lua_pushvalue(L, idx);
	job->anchor = luaL_ref(L, LUA_REGISTRYINDEX);
	job->done = NULL;
	job->wait.task = NULL;
	job->wait.cancel = cancel_job;
	enqueue(rt, job);
	return task_wait(L, &job->wait, ctx, k);
}

int workers_init(struct runtime *rt)
{
	pthread_mutex_init(&rt->lock, NULL);
	pthread_cond_init(&rt->work, NULL);
	ev_async_init(&rt->finished_async, on_finished);
	rt->finished_async.data = rt;
	ev_async_start(rt->loop, &rt->finished_async);
	return 0;
}

void workers_finish(struct runtime *rt)
{
	pthread_mutex_lock(&rt->lock);
	rt->stopping = true;
	pthread_cond_broadcast(&rt->work);
	pthread_mutex_unlock(&rt->lock);
	while (rt->thread_count)
		pthread_join(rt->threads[--rt->thread_count], NULL);
	end_jobs(rt);
	pthread_cond_destroy(&rt->work);
	pthread_mutex_destroy(&rt->lock);
}

int worker_enter_netns(int fd)
{
	return setns(fd, CLONE_NEWNET) ? -errno : 0;
}

void worker_leave_netns(void)
{
	int fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);	/* the main thread's, which never moves */

	if (fd < 0 || setns(fd, CLONE_NEWNET))
		abort();	/* a thread in the wrong namespace would act on the wrong network */
	close(fd);
}
