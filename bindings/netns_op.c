/* Network namespaces as files: made, deleted, listed on a worker thread. */
#include "bindings/netns_op.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "shell/worker.h"

#define RUN_DIR "/run/netns"
#define OWN_NETNS "/proc/thread-self/ns/net"

/* The first user makes the directory a shared mount point, so that a namespace that is
 * deleted in one mount namespace goes in all; done later, it would copy the mounts
 * that are in it and they could not be removed any more (as iproute2's netns_add). */
static int prepare_run_dir(struct op_list *l)
{
	int fd, ret = 0;

	if (l->run_dir_ready)
		return 0;
	if (mkdir(RUN_DIR, 0755) && errno != EEXIST)
		return fault_set(&l->fault, -errno, RUN_DIR);
	fd = open(RUN_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return fault_set(&l->fault, -errno, RUN_DIR);
	flock(fd, LOCK_EX);	/* against a second first user; without it only less sure */
	if (mount("", RUN_DIR, "none", MS_SHARED | MS_REC, NULL) &&
	    (errno != EINVAL ||		/* it is no mount point yet */
	     mount(RUN_DIR, RUN_DIR, "none", MS_BIND | MS_REC, NULL) ||
	     mount("", RUN_DIR, "none", MS_SHARED | MS_REC, NULL)))
		ret = fault_set(&l->fault, -errno, "mount of " RUN_DIR);
	close(fd);
	l->run_dir_ready = !ret;
	return ret;
}

static int lo_up(struct op_list *l, const char *path)
{
	struct ifinfomsg *ifi;
	struct nl_msg *msg;
	struct nlconn *conn;
	int ret = op_conn(l, path, &conn);

	if (ret)
		return ret;
	msg = nlconn_message(RTM_SETLINK, 0, sizeof(*ifi), &ifi);
	if (msg) {
		ifi->ifi_index = 1;	/* lo, in every namespace */
		ifi->ifi_flags = ifi->ifi_change = IFF_UP;
	}
	return nlconn_request(conn, msg, &l->fault);
}

/* In the new namespace: binds it on the file. */
static int bind_own(struct op_list *l, const struct netns_op *o)
{
	int ret;

	if (mount(OWN_NETNS, o->path, "none", MS_BIND, NULL))
		return fault_set(&l->fault, -errno, "mount of the namespace");
	ret = o->lo_up ? op_adopt(l, o->path) : 0;
	if (ret)
		umount2(o->path, MNT_DETACH);
	return ret;
}

int netns_run_add(struct op_list *l, struct op *op)
{
	const struct netns_op *o = (const struct netns_op *)op;
	int fd, ret = 0;

	if (strncmp(o->path, RUN_DIR "/", strlen(RUN_DIR "/")) == 0)
		ret = prepare_run_dir(l);
	if (ret)
		return ret;
	fd = open(o->path, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	close(fd);
	if (unshare(CLONE_NEWNET)) {
		ret = fault_set(&l->fault, -errno, "new namespace");
		goto fail;
	}
	ret = bind_own(l, o);
	worker_leave_netns();
	if (ret)
		goto fail;
	ret = o->lo_up ? lo_up(l, o->path) : 0;
	if (!ret)
		return 0;
	op_forget(l, o->path);
	umount2(o->path, MNT_DETACH);
fail:
	unlink(o->path);
	return ret;
}

/* 1 when the path is a network namespace, 0 when it is something else. */
static int is_netns(const char *path)
{
	struct statfs fs;
	int fd, type;

	if (statfs(path, &fs))
		return -errno;
	if (fs.f_type != NSFS_MAGIC)
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	type = ioctl(fd, NS_GET_NSTYPE);
	close(fd);
	return type == CLONE_NEWNET;
}

static bool is_empty_file(const char *path)
{
	struct stat st;

	return !lstat(path, &st) && S_ISREG(st.st_mode) && !st.st_size;
}

int netns_run_delete(struct op_list *l, struct op *op)
{
	const char *path = ((struct netns_op *)op)->path;
	int ret = is_netns(path);

	if (ret < 0)
		return ret;
	if (!ret && !is_empty_file(path))
		return fault_set(&l->fault, -EINVAL, "no network namespace");
	op_forget(l, path);
	while (is_netns(path) == 1)	/* it may have been bound more than once */
		if (umount2(path, MNT_DETACH))
			return fault_set(&l->fault, -errno, "unmount");
	return unlink(path) ? -errno : 0;
}

int netns_run_exists(struct op_list *l, struct op *op)
{
	struct netns_op *o = (struct netns_op *)op;
	int ret = is_netns(o->path);

	(void)l;
	o->exists = ret == 1;
	if (ret >= 0 || ret == -ENOENT || ret == -ENOTDIR)
		return 0;
	return ret;
}

int netns_run_identity(struct op_list *l, struct op *op)
{
	struct netns_op *o = (struct netns_op *)op;
	struct nlconn *conn;
	struct stat st;
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);
	int fd, ret = op_conn(l, op->netns, &conn);

	if (ret)
		return ret;
	fd = op->netns ? op_netns_fd(l, op->netns) : -1;
	if (op->netns ? fd < 0 || fstat(fd, &st) : stat(OWN_NETNS, &st))
		return fd < 0 && op->netns ? fd : -errno;
	if (getsockopt(conn->fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len) && errno != ENOPROTOOPT)
		return fault_set(&l->fault, -errno, "cookie");
	snprintf(o->identity, sizeof(o->identity), "%llu:%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino, (unsigned long long)cookie);
	return 0;
}

int netns_run_list(struct op_list *l, struct op *op)
{
	const char *dir = ((struct netns_op *)op)->path;
	DIR *d = opendir(dir);
	struct dirent *e;
	int ret = 0;

	if (!d)
		return errno == ENOENT ? 0 : -errno;
	while (!ret && (e = readdir(d))) {
		char path[4096];
		int len = snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);

		if (len < (int)sizeof(path) && is_netns(path) == 1 &&
		    nlbuf_add(&l->out, path, (size_t)len + 1))
			ret = -ENOMEM;
	}
	closedir(d);
	return ret;
}
