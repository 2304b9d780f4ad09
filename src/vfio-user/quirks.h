/* SPDX-License-Identifier: MIT */
/*
 * What clients do that the specification does not say, in one place.
 *
 * Each entry: who does it, what follows here, where it is done, and (behind
 * "Tests:") the wire tests that fail without it; tests/wire/test_clients.py
 * sees to it that they exist. QEMU is 11.1.3 as measured; rust-vmm is the
 * vfio-user crate (Cloud Hypervisor) and libvfio-user its samples/client.c, as
 * published.
 */
#ifndef VFIO_USER_QUIRKS_H
#define VFIO_USER_QUIRKS_H

/*
 * QEMU receives the reply to VERSION in the buffer of its own request: 16 + 4
 * bytes and 194 of JSON, NUL included; one more ends its attempt. Names of
 * capabilities cost, so only those that were asked for are answered, without
 * spaces. A client that sent no JSON gets none. (version.c)
 * Tests: test_qemu_version_reply_fits_the_request_s_buffer
 */
#define VFIO_USER_QEMU_VERSION_MAX 194

/*
 * QEMU gives up on a minor version above the one that it asked for, and
 * libvfio-user's client asks for one that nobody specified (0.2). The answer is
 * the smaller of the two. (version.c)
 * Tests: test_qemu_gets_minor_0 test_rust_vmm_proposes_0_1_and_parses_the_json
 * test_lvu_proposes_0_2
 */

/*
 * QEMU gives up on a reply whose max_msg_fds is above 16, whatever it asked.
 * rust-vmm asks for 1, meaning what it takes itself, and then sends all
 * eventfds of a SET_IRQS at once, up to 253, whatever it was answered. The
 * number in our reply says what *we* take, so it need not be as low as the
 * client's; it is at most this, or what the client named if that is more.
 * Messages are taken with any number of fds that the kernel lets through.
 * (version.c; VFIO_USER_MAX_MSG_FDS)
 * Tests: test_qemu_limits
 * test_rust_vmm_takes_one_fd_but_sends_all_eventfds_at_once
 */
#define VFIO_USER_QUIRK_MSG_FDS 16u

/*
 * QEMU maps its memory before it asks what the device is, several at once; and
 * maps our own BARs back to us, without a file, when memory decode goes on. Both
 * are maps as any. (src/session/dma.c)
 * Tests: test_qemu_maps_memory_before_it_asks_anything
 * test_qemu_maps_a_bar_back_without_an_fd
 * test_qemu_seabios_reshadows_low_memory
 */

/*
 * QEMU asks for ERR's interrupt info first, and warns if there is none: every
 * device has it. It resends all vectors for a new one if the index has the flag
 * NORESIZE: none has. (src/session/info.c)
 * Tests: test_qemu_asks_for_irq_err_first test_qemu_adds_a_vector_by_one_message
 * test_qemu_msix_enable_takes_intx_down_first test_qemu_kvm_intx_with_resample
 */

/*
 * QEMU posts writes to BARs only if no region can be mapped, and bundles them,
 * up to 200, when many are queued. (src/session/session.c: posted writes have a
 * short way)
 * Tests: test_qemu_posts_bar_writes_and_counts_on_order
 * test_qemu_bundles_200_writes
 */

/*
 * QEMU serves our requests on the thread that waits for the reply to its own:
 * no request of it is answered later because of one of ours. It gives up on
 * a reply that comes after 5 s. (src/session/remote.c; DMA_UNMAP_PATIENCE_NS)
 * Tests: test_qemu_gets_its_mmio_answer_before_a_question
 * test_qemu_s_patience_is_not_used_up
 */

/*
 * QEMU takes a header in two pieces for the end, and aborts if the socket closes
 * with unread input. (src/transport/conn-tx.c, conn.c)
 * Tests: test_qemu_sees_no_header_in_two_pieces
 * test_qemu_abort_on_unread_input_is_avoided
 */

/*
 * QEMU's device_add hangs for 5 s if a second connection is left in the
 * backlog. (src/transport/refuse.c)
 * Tests: test_qemu_second_is_refused_by_a_version_error
 */

/*
 * rust-vmm's argsz of GET_INFO counts the header (32). More room than is
 * needed is fine everywhere; the reply names the size that is right.
 * (decode.c: argsz has lower bounds only)
 * Tests: test_rust_vmm_argsz_of_get_info_counts_the_header
 */

/*
 * libvfio-user pads a repeated GET_REGION_INFO to the size of the reply that
 * it expects: the message may be as long as its argsz says. (decode.c)
 * Tests: test_lvu_pads_the_region_info_retry_to_argsz
 */

/*
 * libvfio-user's client takes 1,024 bytes a message, and checks that errors are
 * errors: only who ignores them is spared them. (src/session/session.c)
 * Tests: test_lvu_takes_1024_bytes_at_a_time
 * test_lvu_expects_einval_from_a_bogus_region test_lvu_wants_exactly_nine_regions
 */

/*
 * The specification's table has 4 bytes of count in the reply to DMA_WRITE,
 * where QEMU sends 8, like the request's. Both are taken. (dma-message.c)
 * Tests: test_qemu_dma_write_reply_has_8_bytes_of_count
 */

/*
 * rust-vmm repeats a GET_REGION_INFO under the id of the first one. Ids are
 * never remembered here, so there is nothing to do.
 * Tests: test_rust_vmm_region_info_retry_reuses_the_id
 */

/*
 * rust-vmm ignores the error bit and reads as many bytes as a good reply has
 * (DMA_MAP, SET_IRQS, RESET: the header; DMA_UNMAP: 40; REGION_WRITE: 32;
 * REGION_READ: 32 + count): a short error reply puts it out of step. What a
 * guest can provoke must therefore not be answered with an error, nor what
 * the client itself would not notice (an unmap of nothing). Nor can it be
 * asked anything: it would read the question as the next answer. This is the
 * session's to see to (src/session).
 * Tests: test_rust_vmm_reads_all_ones_instead_of_an_error
 * test_rust_vmm_stays_in_step_after_a_bad_write
 * test_rust_vmm_stays_in_step_after_a_bad_unmap
 * test_rust_vmm_header_only_errors_are_harmless
 * test_rust_vmm_is_asked_nothing_it_did_not_offer
 */

#endif
