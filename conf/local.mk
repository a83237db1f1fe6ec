# conf: the sample configuration, printed by conf_print_sample (test_conf says whether it is fresh)
kerasdconfdir = $(sysconfdir)/kerasd
dist_kerasdconf_DATA = conf/kerasd.conf
