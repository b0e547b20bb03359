/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/ctl/ctl.h"

#include <stdlib.h>
#include <string.h>

#include "agent/ctl/candidates.h"
#include "agent/ctl/file.h"
#include "agent/ctl/terminal.h"

#define RECORD_MAX (KGR_DATA_MAX + KGR_RECORD_OVERHEAD)

/* kgr_seal or kgr_open. */
typedef enum kgr_error transform(struct kgr_client *client, const char *peer, bool stored,
                                 const uint8_t *aad, size_t aad_len, const uint8_t *in,
                                 size_t in_len, uint8_t *out, size_t out_cap, size_t *out_len);

/* Room for what comes in and what goes out; on the heap, and wiped: one of them is plaintext. */
struct buffers {
    uint8_t in[RECORD_MAX];
    uint8_t out[RECORD_MAX];
};

static int transform_file(const struct kgr_ctl *ctl, transform *function, size_t in_max)
{
    const struct kgr_ctl_options *options = ctl->options;
    const char *aad = options->aad == NULL ? "" : options->aad;
    struct buffers *buffers = calloc(1, sizeof(*buffers));
    struct kgr_ctl_output output;
    enum kgr_error err;
    size_t out_len = 0;
    size_t in_len = 0;

    if (buffers == NULL)
        return kgr_ctl_fail_text(KGR_ERR_NO_MEMORY, options->operands[0], "");
    err = kgr_ctl_read_all(options->input, buffers->in, in_max, &in_len);
    if (err != KGR_OK)
        goto out;
    /* Opened first: a record that opens once must have somewhere to go. */
    err = kgr_ctl_output_open(&output, options->output);
    if (err != KGR_OK)
        goto out;
    err = function(ctl->client, options->operands[0], options->stored, (const uint8_t *)aad,
                   strlen(aad), buffers->in, in_len, buffers->out, sizeof(buffers->out), &out_len);
    if (err == KGR_OK)
        err = kgr_ctl_output_commit(&output, buffers->out, out_len);
    else
        (void)kgr_ctl_fail_peer(ctl, err, options->operands[0]);
    kgr_ctl_output_close(&output);
out:
    explicit_bzero(buffers, sizeof(*buffers));
    free(buffers);
    return kgr_exit_code(err);
}

int kgr_ctl_seal(const struct kgr_ctl *ctl)
{
    return transform_file(ctl, kgr_seal, KGR_DATA_MAX);
}

int kgr_ctl_open(const struct kgr_ctl *ctl)
{
    return transform_file(ctl, kgr_open, RECORD_MAX);
}
