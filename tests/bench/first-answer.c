/* SPDX-License-Identifier: Apache-2.0 */
/* first-answer - milliseconds from starting a server to the first whole answer that it gives.
 *
 *     first-answer PORT REQUEST-FILE PROGRAM ARGUMENTS...
 *
 * Prints the time and the answer's status, ends the program with SIGTERM and waits for it. Knocks every 100 us. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int knock(int port)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
        return fd;
    close(fd);
    return -1;
}

int main(int argc, char **argv)
{
    char request[8192], answer[65536];
    int64_t start, limit, took;
    posix_spawn_file_actions_t actions;
    size_t len, got = 0;
    ssize_t n;
    int fd = -1, status;
    FILE *file;
    pid_t pid;

    if (argc < 4 || (file = fopen(argv[2], "rb")) == NULL)
        return fprintf(stderr, "usage: first-answer PORT REQUEST-FILE PROGRAM ARGUMENTS...\n"), 2;
    len = fread(request, 1, sizeof(request), file);
    fclose(file);
    start = now_us();
    limit = start + 60 * 1000000;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, 2, 1);       /* our output is the figure alone */
    if (posix_spawn(&pid, argv[3], &actions, NULL, argv + 3, environ) != 0)
        return perror(argv[3]), 2;
    while ((fd = knock(atoi(argv[1]))) < 0) {
        if (now_us() > limit || waitpid(pid, &status, WNOHANG) == pid)
            return fprintf(stderr, "first-answer: the program doesn't listen\n"), 1;
        usleep(100);
    }
    if (send(fd, request, len, MSG_NOSIGNAL) != (ssize_t)len)
        return perror("first-answer: send"), 1;
    while ((n = recv(fd, answer + got, sizeof(answer) - 1 - got, 0)) > 0) {
        got += (size_t)n;
        answer[got] = '\0';
        if (strstr(answer, "\r\n\r\n"))
            break;
    }
    took = now_us() - start;
    printf("%.3f %d\n", (double)took / 1000, got > 12 ? atoi(answer + 9) : 0);
    close(fd);
    kill(pid, SIGTERM);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return 0;
}
