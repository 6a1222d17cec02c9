#pragma once
// URLSession offers no way to name certificate authorities. It reaches libcurl through the dynamic linker, so the executable
// can stand in front of the two functions between which every transfer runs: see CCurlHook.c.
#include <stddef.h>

/// Authorities to trust instead of the system's: a file of PEM certificates, a folder with hashed names, or both. With
/// neither the system's stay. Call once, before the first transfer; the strings must outlive the process.
void curlhook_trust(const char *file, const char *folder);

/// Connections that stay open between transfers, 1 unless called. Of itself libcurl keeps four for each transfer under way,
/// so those of a busy moment would be closed with it, and the next moment would pay for TLS again.
void curlhook_keep(int connections);

/// Whether a transfer has gone through the hook: false after one means that nothing that is set here is in force.
int curlhook_is_active(void);

/// libcurl's fixed words for a result code, the ones that URLSession then has in its error; NULL where libcurl has no words.
const char *curlhook_words(int code);

/// Copies libcurl's own sentence about the last failed transfer, such as `SSL certificate problem: certificate has expired`.
/// Empty where there is none.
void curlhook_last_failure(char *buffer, size_t size);
