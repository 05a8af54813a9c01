/* SPDX-License-Identifier: MIT */
/*
 * fs/tty.c - the terminal on the serial line: its files, and the way bytes take.
 *
 *	interrupt ──► arrivals ──► tty task ──► line ──► read(2)
 *	                              │           │
 *	                           signals      echo ──► console ◄── write(2)
 *
 * Owns: the one terminal, and the ring between the interrupt and the task.  A signal to a group
 *   needs locks that interrupts may not take, so all but storing the byte is the task's work.
 * Invariants: arrivals has one writer (the interrupt) and one reader (the task).
 * Locks: tty->lock for line and size; nothing is held while a program's memory is touched but
 *   output_lock, which keeps one write(2) together.
 * See: termios(3), ioctl_tty(2).
 */

#include "fs/tty.h"
#include "lib/string.h"
#include "kernel/clock.h"
#include "kernel/printk.h"
#include "mm/slab.h"

enum { ARRIVALS = 256, CHUNK = 256, DECISECOND_NS = 100000000 };
enum { MAJOR_SERIAL = 4, MINOR_SERIAL = 64, MAJOR_CONSOLE = 5, MINOR_TTY = 0, MINOR_CONSOLE = 1 };

/* What an open file knows. */
struct tty_handle {
	struct tty *tty;
	uint32_t hangups;               /* when it was opened */
	bool is_console;                /* outlives sessions */
};

static struct tty serial_tty;

static uint8_t arrivals[ARRIVALS];
static uint32_t arrivals_head, arrivals_tail;   /* atomic: stored, processed */
/* Ready from the first byte on, which comes when it likes: perhaps before tty_start(). */
static struct wait_queue arrivals_wait = {
	SPINLOCK_INIT(RANK_WAIT), LIST_INIT(arrivals_wait.waiters)
};

/* ---- input ---- */

void tty_input(uint8_t byte)
{
	uint32_t head = arrivals_head;

	if (head - atomic_load_acquire(&arrivals_tail) == ARRIVALS)
		return;
	arrivals[head % ARRIVALS] = byte;
	atomic_store_release(&arrivals_head, head + 1);
	wake_all(&arrivals_wait);
}

static void tty_process(struct tty *tty, uint8_t byte)
{
	bool may_write;
	int signal;

	spin_lock(&tty->lock);
	signal = line_input(&tty->line, byte);
	may_write = !tty->line.is_stopped;
	spin_unlock(&tty->lock);
	wake_all(&tty->read_wait);
	if (may_write)
		wake_all(&tty->write_wait);
	if (signal)
		tty_signal(tty, signal);
}

static void tty_task(void *argument)
{
	struct tty *tty = argument;

	for (;;) {
		uint32_t tail = arrivals_tail;

		wait_event(&arrivals_wait, atomic_load_acquire(&arrivals_head) != tail);
		tty_process(tty, arrivals[tail % ARRIVALS]);
		atomic_store_release(&arrivals_tail, tail + 1);
	}
}

static void screen_put(struct sink *sink, const char *bytes, size_t len)
{
	console_write(bytes, len);
}

static struct sink screen = { .put = screen_put };

/* ---- handles ---- */

static struct tty *file_tty(const struct file *file)
{
	return ((const struct tty_handle *)file->data)->tty;
}

static bool file_is_hung_up(const struct file *file)
{
	const struct tty_handle *handle = file->data;

	return !handle->is_console && handle->hangups != READ_ONCE(handle->tty->hangups);
}

/* `hangups`: what tty->hangups was when it was clear that the file may be had. */
static int handle_create(struct file *file, struct tty *tty, uint32_t hangups, bool is_console)
{
	struct tty_handle *handle = kmalloc(sizeof(*handle));

	if (!handle)
		return -ENOMEM;
	handle->tty = tty;
	handle->hangups = hangups;
	handle->is_console = is_console;
	file->data = handle;
	return 0;
}

/* /dev/console never becomes anybody's controlling terminal by being opened. */
static int console_open(struct file *file)
{
	return handle_create(file, &serial_tty, 0, true);
}

static int serial_open(struct file *file)
{
	int err = handle_create(file, &serial_tty, READ_ONCE(serial_tty.hangups), false);
	bool is_ours = false;

	if (!err && current_process() && file_can_read(file) && !(file->flags & O_NOCTTY))
		is_ours = tty_acquire(&serial_tty, false) == 0;
	if (is_ours)            /* the session before may have ended while we asked */
		((struct tty_handle *)file->data)->hangups = READ_ONCE(serial_tty.hangups);
	return err;
}

static int controlling_open(struct file *file)
{
	struct process *self = current_process();
	struct tty *tty;

	if (!self)
		return -ENXIO;
	spin_lock(&process_tree_lock);
	tty = self->tty;
	uint32_t hangups = tty ? tty->hangups : 0;
	spin_unlock(&process_tree_lock);
	return tty ? handle_create(file, tty, hangups, false) : -ENXIO;
}

static void tty_release(struct file *file)
{
	kfree(file->data);
}

/* ---- reading ---- */

/* How long a read waits, from c_cc and the open file. */
struct patience {
	size_t least;                   /* bytes that end the read */
	uint64_t between_ns;            /* after each byte; 0: no limit */
	uint64_t deadline_ns;           /* WAIT_FOREVER; 0: do not wait */
};

static void patience_init(struct patience *patience, struct tty *tty, size_t len)
{
	struct abi_termios *termios = &tty->line.termios;
	uint64_t time_ns;
	size_t least;

	spin_lock(&tty->lock);
	time_ns = termios->c_cc[VTIME] * (uint64_t)DECISECOND_NS;
	least = termios->c_cc[VMIN];
	if (line_is_canonical(&tty->line)) {
		time_ns = 0;
		least = 1;
	}
	spin_unlock(&tty->lock);
	patience->least = MIN(least, len);
	patience->between_ns = least > 0 ? time_ns : 0;
	if (least > 0)
		patience->deadline_ns = WAIT_FOREVER;
	else
		patience->deadline_ns = time_ns ? clock_now_ns() + time_ns : 0;
}

/* Copy out what is there, up to a line.  Bytes or -EFAULT. */
static ssize_t tty_take(struct tty *tty, buffer_t to, size_t at, size_t len, bool *is_end)
{
	uint8_t bytes[CHUNK];
	size_t done = 0, n;

	do {
		spin_lock(&tty->lock);
		n = line_take(&tty->line, bytes, MIN(len - done, sizeof(bytes)), is_end);
		spin_unlock(&tty->lock);
		if (n > 0 && buffer_put(to, at + done, bytes, n))
			return done > 0 ? (ssize_t)done : -EFAULT;
		done += n;
	} while (n > 0 && done < len && !*is_end);
	return (ssize_t)done;
}

/* Wait for more.  0; -ETIMEDOUT; -EAGAIN; -ERESTARTSYS. */
static int tty_wait_for_input(struct file *file, const struct patience *patience)
{
	struct tty *tty = file_tty(file);

	if (patience->deadline_ns == 0)
		return -ETIMEDOUT;
	if (file->flags & O_NONBLOCK)
		return -EAGAIN;
	return wait_event_until(&tty->read_wait,
		line_readable(&tty->line) > 0 || file_is_hung_up(file), patience->deadline_ns);
}

static ssize_t tty_read(struct file *file, buffer_t to, size_t len, uint64_t *offset)
{
	struct tty *tty = file_tty(file);
	struct patience patience;
	bool is_end = false;
	size_t done = 0;
	ssize_t err = 0;

	if (len == 0)
		return 0;
	patience_init(&patience, tty, len);
	while (!err && !file_is_hung_up(file)) {
		err = tty_check_foreground(tty, SIGTTIN);
		if (err)
			break;
		ssize_t n = tty_take(tty, to, done, len - done, &is_end);

		if (n < 0)
			err = n;
		else
			done += n;
		if (err || is_end || (done > 0 && done >= patience.least))
			break;
		if (n > 0 && patience.between_ns)
			patience.deadline_ns = clock_now_ns() + patience.between_ns;
		err = tty_wait_for_input(file, &patience);
	}
	if (done > 0 || err == -ETIMEDOUT)
		return (ssize_t)done;
	return err;
}

/* ---- writing ---- */

/* Wait until ^S was undone by ^Q. */
static int tty_wait_for_output(struct file *file)
{
	struct tty *tty = file_tty(file);

	if (!READ_ONCE(tty->line.is_stopped))
		return 0;
	if (file->flags & O_NONBLOCK)
		return -EAGAIN;
	return wait_event_interruptible(&tty->write_wait,
		!READ_ONCE(tty->line.is_stopped) || file_is_hung_up(file));
}

static ssize_t tty_put(struct file *file, buffer_t from, size_t len)
{
	struct tty *tty = file_tty(file);
	char bytes[CHUNK];
	size_t done = 0;
	int err = 0;

	while (done < len) {
		size_t chunk = MIN(len - done, sizeof(bytes));

		err = tty_wait_for_output(file);
		if (!err && file_is_hung_up(file))
			err = -EIO;
		if (!err && buffer_get(from, done, bytes, chunk))
			err = -EFAULT;
		if (err)
			break;
		spin_lock(&tty->lock);
		bool is_stopped = tty->line.is_stopped; /* since we looked */
		if (!is_stopped)
			line_output(&tty->line, bytes, chunk);
		spin_unlock(&tty->lock);
		done += is_stopped ? 0 : chunk;
	}
	return done > 0 ? (ssize_t)done : err;
}

/* Another writer may wait for ^Q. */
static int tty_lock_output(struct tty *tty, bool may_not_wait) TRY_ACQUIRES(0, tty->output_lock)
{
	if (may_not_wait)
		return mutex_try_lock(&tty->output_lock) ? 0 : -EAGAIN;
	return mutex_lock_interruptible(&tty->output_lock);
}

static ssize_t tty_write(struct file *file, buffer_t from, size_t len, uint64_t *offset)
{
	struct tty *tty = file_tty(file);
	ssize_t done;
	int err = 0;

	if (file_is_hung_up(file))
		return -EIO;
	if (tty->line.termios.c_lflag & TOSTOP)
		err = tty_check_foreground(tty, SIGTTOU);
	if (err)
		return err;
	err = tty_lock_output(tty, file->flags & O_NONBLOCK);
	if (err)
		return err;
	done = tty_put(file, from, len);
	mutex_unlock(&tty->output_lock);
	return done;
}

static unsigned tty_poll(struct file *file, struct poll_table *table)
{
	struct tty *tty = file_tty(file);
	struct tty_line *line = &tty->line;
	unsigned now = 0;
	uint32_t least = 1;

	poll_wait(table, &tty->read_wait);
	poll_wait(table, &tty->write_wait);
	if (file_is_hung_up(file))
		return POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM | POLLERR | POLLHUP;
	spin_lock(&tty->lock);
	if (!line_is_canonical(line) && !line->termios.c_cc[VTIME] && line->termios.c_cc[VMIN])
		least = line->termios.c_cc[VMIN];
	if (line_readable(line) >= least)
		now |= POLLIN | POLLRDNORM;
	if (!line->is_stopped)
		now |= POLLOUT | POLLWRNORM;
	spin_unlock(&tty->lock);
	return now;
}

/* ---- ioctl ---- */

static int get_termios(struct tty *tty, buffer_t to, size_t size)
{
	struct abi_termios2 termios = { .c_ispeed = 115200, .c_ospeed = 115200 };

	spin_lock(&tty->lock);
	memcpy(&termios, &tty->line.termios, sizeof(tty->line.termios));
	spin_unlock(&tty->lock);
	return buffer_put(to, 0, &termios, size);
}

static int set_termios(struct tty *tty, buffer_t from, bool flush)
{
	struct abi_termios termios;
	int err = tty_check_foreground(tty, SIGTTOU);

	if (err)
		return err;
	if (buffer_get(from, 0, &termios, sizeof(termios)))
		return -EFAULT;
	spin_lock(&tty->lock);
	if (flush)
		line_flush_input(&tty->line);
	line_set_termios(&tty->line, &termios);
	spin_unlock(&tty->lock);
	wake_all(&tty->read_wait);
	wake_all(&tty->write_wait);
	return 0;
}

static int set_size(struct tty *tty, buffer_t from)
{
	struct abi_winsize size;
	bool is_new;

	if (buffer_get(from, 0, &size, sizeof(size)))
		return -EFAULT;
	spin_lock(&tty->lock);
	is_new = memcmp(&size, &tty->size, sizeof(size)) != 0;
	tty->size = size;
	spin_unlock(&tty->lock);
	if (is_new)
		tty_signal(tty, SIGWINCH);
	return 0;
}

static int get_size(struct tty *tty, buffer_t to)
{
	struct abi_winsize size;

	spin_lock(&tty->lock);
	size = tty->size;
	spin_unlock(&tty->lock);
	return buffer_put(to, 0, &size, sizeof(size));
}

/* TCFLSH.  Output is never queued. */
static int flush_queues(struct tty *tty, uint64_t which)
{
	int err = tty_check_foreground(tty, SIGTTOU);

	if (err)
		return err;
	if (which > TCIOFLUSH)
		return -EINVAL;
	if (which == TCOFLUSH)
		return 0;
	spin_lock(&tty->lock);
	line_flush_input(&tty->line);
	spin_unlock(&tty->lock);
	return 0;
}

/* TCXONC: what ^S and ^Q do.  Input has no flow control. */
static int set_flow(struct tty *tty, uint64_t what)
{
	int err = tty_check_foreground(tty, SIGTTOU);

	if (err)
		return err;
	if (what > TCION)
		return -EINVAL;
	spin_lock(&tty->lock);
	if (what == TCOOFF || what == TCOON)
		line_set_stopped(&tty->line, what == TCOOFF);
	spin_unlock(&tty->lock);
	wake_all(&tty->write_wait);
	return 0;
}

static int get_readable(struct tty *tty, buffer_t to)
{
	int32_t count;

	spin_lock(&tty->lock);
	count = (int32_t)line_readable(&tty->line);
	spin_unlock(&tty->lock);
	return buffer_put(to, 0, &count, sizeof(count));
}

static int put_int(buffer_t to, int32_t value)
{
	return buffer_put(to, 0, &value, sizeof(value));
}

/* What concerns sessions and groups. */
static int job_ioctl(struct tty *tty, unsigned request, uint64_t argument)
{
	buffer_t user = buffer_user(argument);
	int32_t number;
	int err;

	switch (request) {
	case TIOCSCTTY:
		return tty_acquire(tty, argument == 1);
	case TIOCNOTTY:
		return tty_give_up(tty);
	case TIOCGPGRP:
		err = tty_get_group(tty, &number);
		return err ? err : put_int(user, number);
	case TIOCGSID:
		err = tty_get_session(tty, &number);
		return err ? err : put_int(user, number);
	case TIOCSPGRP:
		if (buffer_get(user, 0, &number, sizeof(number)))
			return -EFAULT;
		return tty_set_group(tty, number);
	default:
		return -ENOTTY;
	}
}

static long tty_ioctl(struct file *file, unsigned request, uint64_t argument)
{
	struct tty *tty = file_tty(file);
	buffer_t user = buffer_user(argument);

	if (file_is_hung_up(file))
		return -EIO;
	switch (request) {
	case TCGETS:
		return get_termios(tty, user, sizeof(struct abi_termios));
	case TCGETS2:
		return get_termios(tty, user, sizeof(struct abi_termios2));
	case TCSETS:
	case TCSETSW:
	case TCSETS2:
	case TCSETSW2:
		return set_termios(tty, user, false);
	case TCSETSF:
	case TCSETSF2:
		return set_termios(tty, user, true);
	case TIOCGWINSZ:
		return get_size(tty, user);
	case TIOCSWINSZ:
		return set_size(tty, user);
	case TCFLSH:
		return flush_queues(tty, argument);
	case TCXONC:
		return set_flow(tty, argument);
	case TCSBRK:
	case TCSBRKP:
		return tty_check_foreground(tty, SIGTTOU);
	case FIONREAD:
		return get_readable(tty, user);
	case TIOCOUTQ:
	case TIOCGETD:
		return put_int(user, 0);
	default:
		return job_ioctl(tty, request, argument);
	}
}

/* ---- devices ---- */

#define TTY_OPS(open_) { \
	.open = open_, .release = tty_release, .read = tty_read, .write = tty_write, \
	.poll = tty_poll, .ioctl = tty_ioctl, \
}

static const struct file_ops console_ops = TTY_OPS(console_open);
static const struct file_ops serial_ops = TTY_OPS(serial_open);
static const struct file_ops controlling_ops = TTY_OPS(controlling_open);

static void tty_init(struct tty *tty)
{
	spin_init(&tty->lock, RANK_TTY);
	mutex_init(&tty->output_lock, RANK_TTY_OUTPUT);
	wait_queue_init(&tty->read_wait);
	wait_queue_init(&tty->write_wait);
	line_init(&tty->line, &screen);
	tty->size = (struct abi_winsize){ .ws_row = 24, .ws_col = 80 };
	tty->device = dev_make(MAJOR_SERIAL, MINOR_SERIAL);
}

void tty_start(void)
{
	struct task *task;

	tty_init(&serial_tty);
	device_register(S_IFCHR, MAJOR_SERIAL, MINOR_SERIAL, &serial_ops);
	device_register(S_IFCHR, MAJOR_CONSOLE, MINOR_TTY, &controlling_ops);
	device_register(S_IFCHR, MAJOR_CONSOLE, MINOR_CONSOLE, &console_ops);
	task = task_create("tty", tty_task, &serial_tty);
	assert(task);
	task_wake(task);
}
