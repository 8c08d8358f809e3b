# How CPack makes packages of what is installed; see CMakeLists.txt beside this file.
set(CPACK_GENERATOR DEB)
set(CPACK_COMPONENTS_ALL daemon client)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
    OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_PACKAGE_DIRECTORY ${PROJECT_BINARY_DIR}/../packages)
set(CPACK_PACKAGE_NAME walden)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_CONTACT "Walden <walden@localhost>")

set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_DEBUGINFO_PACKAGE ON)

set(CPACK_DEBIAN_DAEMON_PACKAGE_NAME waldend)
set(CPACK_DEBIAN_DAEMON_PACKAGE_SECTION database)
set(CPACK_DEBIAN_DAEMON_PACKAGE_DEPENDS adduser)
set(CPACK_DEBIAN_DAEMON_PACKAGE_RECOMMENDS walden)
set(CPACK_DEBIAN_DAEMON_PACKAGE_CONTROL_EXTRA
    "${CMAKE_CURRENT_LIST_DIR}/waldend/conffiles;${CMAKE_CURRENT_LIST_DIR}/waldend/postinst;${CMAKE_CURRENT_LIST_DIR}/waldend/prerm;${CMAKE_CURRENT_LIST_DIR}/waldend/postrm")
set(CPACK_COMPONENT_DAEMON_DESCRIPTION
"write-ahead log as a service: the daemon
Walden keeps write-ahead logs for other programs: they append records over
gRPC, get an answer when a record is durable, and read it back after a crash.
This package has the daemon, its systemd unit and its configuration.")

set(CPACK_DEBIAN_CLIENT_PACKAGE_NAME walden)
set(CPACK_DEBIAN_CLIENT_PACKAGE_SECTION database)
set(CPACK_DEBIAN_CLIENT_PACKAGE_SUGGESTS waldend)
set(CPACK_COMPONENT_CLIENT_DESCRIPTION
"write-ahead log as a service: the command-line client
Walden keeps write-ahead logs for other programs. The client appends and reads
records, follows logs, shows what a daemon holds, backs it up, and checks
data directories while no daemon runs.")
include(CPack)
