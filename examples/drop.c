/* SPDX-License-Identifier: BSD-2-Clause */

/*
 * Files for a peer by way of storage that nobody trusts: a file becomes a row of records with the stored bit, which
 * the peer may open as often as it likes. The associated data of each has its number and whether it is the last, so
 * that no piece can be left out, moved, doubled or cut off.
 * usage: kgr-drop put PEER FILE DROP      (at this node)
 *        kgr-drop get PEER DROP FILE      (at the peer's; PEER is then who put it there)
 */
#include <kgr/client.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIECE_LEN  32768
#define HEADER_LEN 4 /* length of the record that follows, big endian */

static struct kgr_client *client;
static uint8_t plain[PIECE_LEN + KGR_RECORD_OVERHEAD], record[PIECE_LEN + KGR_RECORD_OVERHEAD];

struct aad {
    uint8_t bytes[8 + 8 + 1];
};

static struct aad aad_of(uint64_t number, int last)
{
    struct aad aad = {.bytes = "kgr-drop"};

    for (int i = 0; i < 8; i++)
        aad.bytes[8 + i] = (uint8_t)(number >> (56 - 8 * i));
    aad.bytes[16] = last ? 1 : 0;
    return aad;
}

static int at_end(FILE *file)
{
    int c = getc(file);

    return c == EOF || ungetc(c, file) == EOF;
}

static enum kgr_error put(const char *peer, FILE *in, FILE *out)
{
    int last = 0;

    for (uint64_t number = 0; !last; number++) {
        size_t n = fread(plain, 1, PIECE_LEN, in), len;
        uint8_t header[HEADER_LEN];
        struct aad aad;
        enum kgr_error err;

        if (ferror(in))
            return KGR_ERR_IO;
        last = at_end(in);
        aad = aad_of(number, last);
        err = kgr_seal(client, peer, true, aad.bytes, sizeof(aad.bytes), plain, n, record,
                       sizeof(record), &len);
        if (err != KGR_OK)
            return err;
        for (int i = 0; i < HEADER_LEN; i++)
            header[i] = (uint8_t)(len >> (24 - 8 * i));
        if (fwrite(header, 1, HEADER_LEN, out) != HEADER_LEN || fwrite(record, 1, len, out) != len)
            return KGR_ERR_IO;
    }
    return KGR_OK;
}

static enum kgr_error get(const char *peer, FILE *in, FILE *out)
{
    int last = 0;

    for (uint64_t number = 0; !last; number++) {
        uint8_t header[HEADER_LEN];
        size_t len = 0, n;
        struct aad aad;
        enum kgr_error err;

        if (fread(header, 1, HEADER_LEN, in) != HEADER_LEN)
            return KGR_ERR_CORRUPT;
        for (int i = 0; i < HEADER_LEN; i++)
            len = len << 8 | header[i];
        if (len > sizeof(record) || fread(record, 1, len, in) != len)
            return KGR_ERR_CORRUPT;
        last = at_end(in);
        aad = aad_of(number, last);
        err = kgr_open(client, peer, true, aad.bytes, sizeof(aad.bytes), record, len, plain,
                       sizeof(plain), &n);
        if (err != KGR_OK)
            return err;
        if (fwrite(plain, 1, n, out) != n)
            return KGR_ERR_IO;
    }
    return KGR_OK;
}

/* Writes beside target and renames at the end: whoever finds a file there finds it whole and verified. */
static enum kgr_error to_file(const char *verb, const char *peer, FILE *in, const char *target)
{
    char path[4096];
    enum kgr_error err = KGR_ERR_IO;
    FILE *out;
    int fd;

    if (snprintf(path, sizeof(path), "%s.XXXXXX", target) >= (int)sizeof(path))
        return KGR_ERR_INVALID;
    fd = mkstemp(path);
    if (fd < 0)
        return KGR_ERR_IO;
    out = fdopen(fd, "w");
    if (out == NULL) {
        close(fd);
    } else {
        err = verb[0] == 'p' ? put(peer, in, out) : get(peer, in, out);
        if (err == KGR_OK && (fflush(out) != 0 || fsync(fd) != 0))
            err = KGR_ERR_IO;
        if (fclose(out) != 0 && err == KGR_OK)
            err = KGR_ERR_IO;
    }
    if (err == KGR_OK && rename(path, target) != 0)
        err = KGR_ERR_IO;
    if (err != KGR_OK)
        unlink(path);
    return err;
}

int main(int argc, char **argv)
{
    const struct kgr_client_options options = {.name = "kgr-drop"};
    enum kgr_error err;
    FILE *in;

    if (argc != 5 || (strcmp(argv[1], "put") != 0 && strcmp(argv[1], "get") != 0)) {
        fprintf(stderr, "usage: kgr-drop put PEER FILE DROP\n       kgr-drop get PEER DROP FILE\n");
        return 2;
    }
    in = fopen(argv[3], "r");
    if (in == NULL) {
        perror(argv[3]);
        return 1;
    }
    err = kgr_client_new(&client, &options);
    if (err == KGR_OK)
        err = to_file(argv[1], argv[2], in, argv[4]);
    if (err == KGR_ERR_IO)
        perror("kgr-drop");
    else if (err != KGR_OK)
        fprintf(stderr, "kgr-drop: %s: %s\n", argv[2], kgr_strerror(err));
    kgr_client_free(client);
    fclose(in);
    explicit_bzero(plain, sizeof(plain));
    return kgr_exit_code(err);
}
