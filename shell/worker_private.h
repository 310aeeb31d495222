/* Start and end of the worker pool; for the runtime only. */
#ifndef NERV_SHELL_WORKER_PRIVATE_H
#define NERV_SHELL_WORKER_PRIVATE_H

struct runtime;

int workers_init(struct runtime *rt);
void workers_finish(struct runtime *rt);

#endif
