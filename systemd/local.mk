# systemd: service and socket, user, directories; verify.sh asks systemd about them
EXTRA_DIST += systemd/kerasd.service.in systemd/kerasd.socket systemd/kerasd.sysusers systemd/kerasd.tmpfiles
dist_check_SCRIPTS += systemd/verify.sh
TESTS += systemd/verify.sh
if WITH_SYSTEMD
nodist_systemdsystemunit_DATA = systemd/kerasd.service
dist_systemdsystemunit_DATA = systemd/kerasd.socket
sysusersdir = $(prefix)/lib/sysusers.d
tmpfilesdir = $(prefix)/lib/tmpfiles.d
CLEANFILES += systemd/kerasd.service
systemd/kerasd.service: systemd/kerasd.service.in Makefile
	$(AM_V_GEN)$(MKDIR_P) systemd && sed -e 's,@bindir@,$(bindir),; s,@sysconfdir@,$(sysconfdir),' $(srcdir)/systemd/kerasd.service.in > $@
# Their installed names differ from those here.
install-data-hook: install-systemd-data
uninstall-hook: uninstall-systemd-data
install-systemd-data:
	$(MKDIR_P) $(DESTDIR)$(sysusersdir) $(DESTDIR)$(tmpfilesdir)
	$(INSTALL_DATA) $(srcdir)/systemd/kerasd.sysusers $(DESTDIR)$(sysusersdir)/kerasd.conf
	$(INSTALL_DATA) $(srcdir)/systemd/kerasd.tmpfiles $(DESTDIR)$(tmpfilesdir)/kerasd.conf
uninstall-systemd-data:
	rm -f $(DESTDIR)$(sysusersdir)/kerasd.conf $(DESTDIR)$(tmpfilesdir)/kerasd.conf
endif
.PHONY: install-systemd-data uninstall-systemd-data
