/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Why a call failed.  The kernel passes these around negated and programs see the same numbers;
 * the values are Linux's for x86-64.
 */

#define EPERM 1			/* not permitted */
#define ENOENT 2		/* no such file or directory */
#define ESRCH 3			/* no such process */
#define EINTR 4			/* interrupted by a signal */
#define EIO 5			/* device failed */
#define ENXIO 6			/* no such device or address */
#define E2BIG 7			/* argument list too long */
#define ENOEXEC 8		/* not a program this kernel can run */
#define EBADF 9			/* not an open descriptor */
#define ECHILD 10		/* no child to wait for */
#define EAGAIN 11		/* try again */
#define ENOMEM 12		/* no memory */
#define EACCES 13		/* permission denied */
#define EFAULT 14		/* bad address */
#define ENOTBLK 15		/* not a block device */
#define EBUSY 16		/* in use */
#define EEXIST 17		/* exists already */
#define EXDEV 18		/* on another file system */
#define ENODEV 19		/* no such device */
#define ENOTDIR 20		/* not a directory */
#define EISDIR 21		/* is a directory */
#define EINVAL 22		/* bad argument */
#define ENFILE 23		/* too many open files in the system */
#define EMFILE 24		/* too many open files in the process */
#define ENOTTY 25		/* not a terminal, or no such ioctl */
#define ETXTBSY 26		/* program is running */
#define EFBIG 27		/* file too large */
#define ENOSPC 28		/* no space left */
#define ESPIPE 29		/* cannot seek */
#define EROFS 30		/* read-only file system */
#define EMLINK 31		/* too many links */
#define EPIPE 32		/* nobody reads this pipe */
#define EDOM 33			/* outside a function's domain */
#define ERANGE 34		/* result does not fit */
#define EDEADLK 35		/* would deadlock */
#define ENAMETOOLONG 36		/* name too long */
#define ENOLCK 37		/* no locks left */
#define ENOSYS 38		/* no such system call */
#define ENOTEMPTY 39		/* directory not empty */
#define ELOOP 40		/* too many symbolic links */
#define ENOMSG 42		/* no message of that type */
#define EIDRM 43		/* identifier removed */
#define ECHRNG 44		/* channel out of range */
#define EL2NSYNC 45		/* level 2 not synchronised */
#define EL3HLT 46		/* level 3 halted */
#define EL3RST 47		/* level 3 reset */
#define ELNRNG 48		/* link number out of range */
#define EUNATCH 49		/* protocol driver not attached */
#define ENOCSI 50		/* no CSI structure */
#define EL2HLT 51		/* level 2 halted */
#define EBADE 52		/* invalid exchange */
#define EBADR 53		/* invalid request descriptor */
#define EXFULL 54		/* exchange full */
#define ENOANO 55		/* no anode */
#define EBADRQC 56		/* invalid request code */
#define EBADSLT 57		/* invalid slot */
#define EBFONT 59		/* bad font file */
#define ENOSTR 60		/* not a stream */
#define ENODATA 61		/* no data */
#define ETIME 62		/* timer expired */
#define ENOSR 63		/* out of stream resources */
#define ENONET 64		/* not on the network */
#define ENOPKG 65		/* package not installed */
#define EREMOTE 66		/* object is remote */
#define ENOLINK 67		/* link was severed */
#define EADV 68			/* advertise error */
#define ESRMNT 69		/* srmount error */
#define ECOMM 70		/* communication error on send */
#define EPROTO 71		/* protocol error */
#define EMULTIHOP 72		/* multihop attempted */
#define EDOTDOT 73		/* RFS specific error */
#define EBADMSG 74		/* not a data message */
#define EOVERFLOW 75		/* value too large for its type */
#define ENOTUNIQ 76		/* name not unique on the network */
#define EBADFD 77		/* descriptor in a bad state */
#define EREMCHG 78		/* remote address changed */
#define ELIBACC 79		/* cannot access a shared library */
#define ELIBBAD 80		/* shared library is damaged */
#define ELIBSCN 81		/* .lib section is damaged */
#define ELIBMAX 82		/* too many shared libraries */
#define ELIBEXEC 83		/* cannot run a shared library */
#define EILSEQ 84		/* illegal byte sequence */
#define ERESTART 85		/* call should be restarted */
#define ESTRPIPE 86		/* streams pipe error */
#define EUSERS 87		/* too many users */
#define ENOTSOCK 88		/* not a socket */
#define EDESTADDRREQ 89		/* destination address required */
#define EMSGSIZE 90		/* message too long */
#define EPROTOTYPE 91		/* wrong protocol for this socket */
#define ENOPROTOOPT 92		/* no such protocol option */
#define EPROTONOSUPPORT 93	/* no such protocol */
#define ESOCKTNOSUPPORT 94	/* no such socket type */
#define EOPNOTSUPP 95		/* operation not supported here */
#define EPFNOSUPPORT 96		/* no such protocol family */
#define EAFNOSUPPORT 97		/* no such address family */
#define EADDRINUSE 98		/* address in use */
#define EADDRNOTAVAIL 99	/* address not available */
#define ENETDOWN 100		/* network is down */
#define ENETUNREACH 101		/* network cannot be reached */
#define ENETRESET 102		/* network dropped the connection */
#define ECONNABORTED 103	/* connection aborted */
#define ECONNRESET 104		/* connection reset by the peer */
#define ENOBUFS 105		/* no buffer space */
#define EISCONN 106		/* already connected */
#define ENOTCONN 107		/* not connected */
#define ESHUTDOWN 108		/* socket was shut down */
#define ETOOMANYREFS 109	/* too many references */
#define ETIMEDOUT 110		/* timed out */
#define ECONNREFUSED 111	/* connection refused */
#define EHOSTDOWN 112		/* host is down */
#define EHOSTUNREACH 113	/* no route to host */
#define EALREADY 114		/* already under way */
#define EINPROGRESS 115		/* now under way */
#define ESTALE 116		/* stale file handle */
#define EUCLEAN 117		/* structure needs cleaning */
#define ENOTNAM 118		/* not a XENIX named file */
#define ENAVAIL 119		/* no XENIX semaphores */
#define EISNAM 120		/* is a named file */
#define EREMOTEIO 121		/* remote device failed */
#define EDQUOT 122		/* quota exceeded */
#define ENOMEDIUM 123		/* no medium */
#define EMEDIUMTYPE 124		/* wrong medium */
#define ECANCELED 125		/* cancelled */
#define ENOKEY 126		/* no such key */
#define EKEYEXPIRED 127		/* key expired */
#define EKEYREVOKED 128		/* key revoked */
#define EKEYREJECTED 129	/* key rejected */
#define EOWNERDEAD 130		/* owner of the lock died */
#define ENOTRECOVERABLE 131	/* state cannot be recovered */
#define ERFKILL 132		/* radio is switched off */
#define EHWPOISON 133		/* memory page is broken */

#define EWOULDBLOCK EAGAIN
#define EDEADLOCK EDEADLK
#define ENOTSUP EOPNOTSUPP

/*
 * Never seen by programs: what an interrupted call tells the return path, which either starts
 * the call anew or turns the number into EINTR.
 */
#define ERESTARTSYS 512		/* anew if the handler has SA_RESTART */
#define ERESTARTNOINTR 513	/* always anew */
#define ERESTARTNOHAND 514	/* anew only if no handler ran */
#define ERESTART_RESTARTBLOCK 516	/* anew with what is left of a timeout */

/* A pointer result from the top of the address space is a negated errno. */
#define ERRNO_MAX 4095
