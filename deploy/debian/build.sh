#!/bin/sh
# Builds dist/rsp_VERSION_ARCH.deb from the wheel in dist/:  make deb
#
# Debian does not package all that rsp needs, so the package brings its own environment, /usr/lib/rsp: the wheel and its
# dependencies, as pip installs them.  It is for the Python of the Debian release on which it is built.
set -eu
pip="$1 -m pip --quiet --disable-pip-version-check"
python=$(readlink -f /usr/bin/python3)
tag=$($python -c 'import sys; print("cp%d%d" % sys.version_info[:2])')
wheel=$(find dist -name "rsp-*-$tag-$tag-*.whl" | sort -V | tail -n 1)
if [ -z "$wheel" ]; then
  echo "make deb: dist/ has no wheel for $python ($tag); build one:  make clean && make PYTHON=$python wheel" >&2
  exit 1
fi
version=$(basename "$wheel" | cut -d- -f2)
arch=$(dpkg --print-architecture)
here=deploy/debian
root=build/debian
lib=$root/usr/lib/rsp
doc=$root/usr/share/doc/rsp
rm -rf $root
umask 022

# The environment, with the programs that start it at the place that it will have.
mkdir -p $lib
$python -m venv --without-pip $lib
$pip --python $lib/bin/python install --no-compile --no-warn-script-location "$wheel"
completions() {  # FOLDER SHELL NAME, with @ for the program
  mkdir -p "$root/usr/share/$1"
  for program in rsp rspctl; do
    $lib/bin/python -B -m rsp completion --program $program "$2" > "$root/usr/share/$1/$(echo "$3" | sed "s/@/$program/")"
  done
}
completions bash-completion/completions bash @
completions zsh/vendor-completions zsh _@
completions fish/vendor_completions.d fish @.fish
mv $lib/share/man $root/usr/share/man
find $root/usr/share/man -type f -exec gzip -9n {} +
find $lib/bin -type f ! -name rsp ! -name rspctl -delete
rm -rf $lib/include $lib/share $lib/lib64
find $lib -name __pycache__ -prune -exec rm -rf {} +
find $lib \( -name direct_url.json -o -name '*.pyx' -o -name '*.pxd' -o -name '*.pxi' -o -name '*.[ch]' \) -delete
find $lib -name '*.so' ! -path '*.libs/*' -exec strip --strip-unneeded {} +
find $lib -name '*.so*' -exec chmod 644 {} +
sed -i '1s|.*|#!/usr/lib/rsp/bin/python|' $lib/bin/rsp $lib/bin/rspctl
sed -i '/^command/d' $lib/pyvenv.cfg
rm $lib/bin/python*
ln -s "$python" $lib/bin/python
mkdir -p $root/usr/bin
ln -s ../lib/rsp/bin/rsp ../lib/rsp/bin/rspctl $root/usr/bin

# The service.  Its user stays, so that files can belong to it.
mkdir -p $root/lib/systemd/system $root/etc/rsp $root/etc/logrotate.d
for unit in rsp.service rsp.socket; do
  sed -e 's|/opt/rsp/bin|/usr/bin|' -e 's|an upgrade of /opt/rsp|an upgrade of the package|' \
    -e 's|^# A user that exists only while rsp runs, with one capability:|# The user of the package, with one capability:|' \
    -e 's|^DynamicUser=yes|User=rsp\nGroup=rsp|' \
    -e 's|^RuntimeDirectory=rsp|&\nRuntimeDirectoryPreserve=yes|' deploy/$unit > $root/lib/systemd/system/$unit
done
install -m 644 $here/site.lua $root/etc/rsp/site.lua
install -m 644 deploy/logrotate $root/etc/logrotate.d/rsp

# The documentation that Debian asks for.
mkdir -p $doc/examples
cp examples/*.lua $doc/examples
cp $here/copyright $doc/copyright
cat LICENSE >> $doc/copyright
maintainer="${DEBFULLNAME:-The developers of rsp} <${DEBEMAIL:-rsp@localhost}>"
printf 'rsp (%s) unstable; urgency=medium\n\n  * Built from the sources; see CHANGELOG.md there.\n\n -- %s  %s\n' \
  "$version" "$maintainer" "$(date -Ru)" | gzip -9n > $doc/changelog.gz

mkdir $root/DEBIAN
install -m 755 $here/postinst $here/prerm $here/postrm $root/DEBIAN
printf '/etc/rsp/site.lua\n/etc/logrotate.d/rsp\n' > $root/DEBIAN/conffiles
libc=$(find $lib -name '*.so*' -exec objdump -T {} + | grep -o 'GLIBC_[0-9.]*' | sort -V | tail -n 1)
cat > $root/DEBIAN/control <<END
Package: rsp
Version: $version
Architecture: $arch
Maintainer: $maintainer
Installed-Size: $(du -sk --exclude=DEBIAN $root | cut -f1)
Depends: $(basename "$python"), libc6 (>= ${libc#GLIBC_}), libgcc-s1, libstdc++6, passwd
Recommends: ca-certificates, logrotate
Section: httpd
Priority: optional
Description: HTTP reverse proxy and load balancer, configured in Lua
 rsp (Really Simple Proxy) is a pre-fork HTTP/1, HTTP/2 and gRPC reverse proxy
 with TLS, health checks, rate limits and reloads that lose no connection.
 .
 The package contains rsp's own Python packages in /usr/lib/rsp.
END
(cd $root && find . -type f ! -path './DEBIAN/*' -printf '%P\n' | sort | xargs md5sum > DEBIAN/md5sums)
dpkg-deb --root-owner-group --build $root "dist/rsp_${version}_$arch.deb"
