import jakarta.servlet.http.*;
import java.io.*;

/**
 * /cut?after=N sends N bytes of a body that should have been twice as long and ends the connection. With
 * `how=chunked` the body has no length beforehand; else it has a Content-Length.
 */
public class CutServlet extends HttpServlet {
    @Override
    protected void service(HttpServletRequest in, HttpServletResponse out) throws IOException {
        int after = Texts.number(in.getParameter("after"), 1000);
        out.setContentType("application/octet-stream");
        if (!"chunked".equals(in.getParameter("how"))) out.setContentLength(2 * after);
        byte[] half = new byte[after];
        Texts.pattern(half, 0);
        out.getOutputStream().write(half);
        out.flushBuffer();
        // Tomcat closes the connection without the last chunk when a servlet fails after the head was sent.
        throw new IOException("cut as asked");
    }
}
