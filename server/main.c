/* SPDX-License-Identifier: Apache-2.0 */
/* server/main.c - options, signals, start and stop order; the one file that knows every folder. */
int main(void)
{
    return 0;
}
