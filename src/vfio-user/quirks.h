/* SPDX-License-Identifier: MIT */
/*
 * What clients do that the specification does not say, in one place.
 *
 * Each entry: who does it, what follows here, and where it is done. QEMU is
 * 11.1.3 as measured; rust-vmm is the vfio-user crate (Cloud Hypervisor) and
 * libvfio-user its samples/client.c, as published.
 */
#ifndef VFIO_USER_QUIRKS_H
#define VFIO_USER_QUIRKS_H

/*
 * QEMU receives the reply to VERSION in the buffer of its own request: 16 + 4
 * bytes and 194 of JSON, NUL included; one more ends its attempt. Names of
 * capabilities cost, so only those that were asked for are answered, without
 * spaces. A client that sent no JSON gets none. (version.c)
 */
#define VFIO_USER_QEMU_VERSION_MAX 194

/*
 * QEMU gives up on a reply whose max_msg_fds is above 16, whatever it asked.
 * rust-vmm asks for 1, meaning what it takes itself, and then sends all
 * eventfds of a SET_IRQS at once, up to 253, whatever it was answered. The
 * number in our reply says what *we* take, so it need not be as low as the
 * client's; it is at most this, or what the client named if that is more.
 * Messages are taken with any number of fds that the kernel lets through.
 * (version.c; VFIO_USER_MAX_MSG_FDS)
 */
#define VFIO_USER_QUIRK_MSG_FDS 16u

/*
 * rust-vmm's argsz of GET_INFO counts the header (32). More room than is
 * needed is fine everywhere; the reply names the size that is right.
 * (decode.c: argsz has lower bounds only)
 */

/*
 * libvfio-user pads a repeated GET_REGION_INFO to the size of the reply that
 * it expects: the message may be as long as its argsz says. (decode.c)
 */

/*
 * The specification's table has 4 bytes of count in the reply to DMA_WRITE,
 * where QEMU sends 8, like the request's. Both are taken. (dma-message.c)
 */

/*
 * rust-vmm repeats a GET_REGION_INFO under the id of the first one. Ids are
 * never remembered here, so there is nothing to do.
 */

/*
 * rust-vmm ignores the error bit and reads as many bytes as a good reply has
 * (DMA_MAP, SET_IRQS, RESET: the header; DMA_UNMAP: 40; REGION_WRITE: 32;
 * REGION_READ: 32 + count): a short error reply puts it out of step. What a
 * guest can provoke must therefore not be answered with an error, nor what
 * the client itself would not notice (an unmap of nothing). Nor can it be
 * asked anything: it would read the question as the next answer. This is the
 * session's to see to (src/device).
 */

#endif
