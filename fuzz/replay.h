/* fuzz_replay, for the test programs that include a target. */
#include <dirent.h>
#include <stdio.h>

#include "fuzz.h"

unsigned
fuzz_replay(const char *dir)
{
	static uint8_t buf[1 << 20];
	char path[512];
	struct dirent *e;
	unsigned n = 0;
	DIR *d;
	FILE *f;

	if ((d = opendir(dir)) == NULL)
		return 0;
	while ((e = readdir(d)) != NULL) {
		snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
		if (e->d_name[0] == '.' || (f = fopen(path, "r")) == NULL)
			continue;
		LLVMFuzzerTestOneInput(buf, fread(buf, 1, sizeof buf, f));
		fclose(f);
		n++;
	}
	closedir(d);
	return n;
}
