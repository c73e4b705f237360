/*
 * probe.h - parts of the probe program
 */
#ifndef E2E_PROBE_H
#define E2E_PROBE_H

void die(const char *what) __attribute__((noreturn));
int kill_main(int argc, char **argv);
int uml_host(int argc, char **argv);
int uml_mount(int argc, char **argv);
int uml_insmod(int argc, char **argv);
int visible_main(int argc, char **argv);

#endif
